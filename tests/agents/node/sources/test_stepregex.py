"""Figures in printed lines."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.agents.node.sources.stepregex import LONGEST, LogFigures, check, number


def read(tmp_path: Path, pattern: str, text: str | bytes) -> list[dict[str, object]]:
    path = tmp_path / "rank-0.log"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    lines = LogFigures(path, pattern, lambda offset: float(offset)).read()
    return [dict(line.values) for line in lines]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("3.2e-1", 0.32),
        ("1,024", 1024),
        ("1,024,000.5", 1024000.5),
        ("12%", 12),
        ("-.5", -0.5),
        ("7.", 7),
        ("2.31,", 2.31),
        ("'4'}", 4),
        ("12,34", None),
        ("", None),
        ("1_000", None),
        ("abc", None),
        ("0x10", None),
    ],
)
def test_numbers_as_people_print_them(said: str, meant: float | None):
    assert number(said) == meant


@given(st.text())
def test_any_text_is_a_number_or_none(text):
    assert isinstance(number(text), float | None)


@given(st.floats(allow_nan=False))
def test_python_s_own_numbers_are_read(value):
    assert number(repr(value)) == value


def test_named_groups_are_figures_and_step_is_the_place(tmp_path: Path):
    text = "hello\nstep 5 loss 2.5 acc 12%\nstep 6 loss nan acc 13%\nstep x loss 3 acc 1%\n"
    found = read(tmp_path, r"step (?P<step>\w+) loss (?P<loss>\S+) acc (?P<acc>\S+)", text)
    assert found == [
        {"t": 6.0, "step": 5, "loss": 2.5, "acc": 12.0},
        {"t": 30.0, "step": 6, "loss": None, "acc": 13.0},
        {"t": 54.0, "step": 6, "loss": 3.0, "acc": 1.0},
    ]


def test_a_line_without_a_step_belongs_to_the_last(tmp_path: Path):
    found = read(tmp_path, r"step (?P<step>\d+)|loss=(?P<loss>\S+)", "loss=9\nstep 4\nloss=8\n")
    assert [(line.get("step"), line.get("loss")) for line in found] == [
        (None, 9.0),
        (4, None),
        (4, 8.0),
    ]


def test_bars_and_colours(tmp_path: Path):
    text = "\r10% step=1 loss=\x1b[31m4.5\x1b[0m\r20% step=2 loss=4.0\r30% step=3 lo"
    found = read(tmp_path, r"step=(?P<step>\d+) loss=(?P<loss>\S+)", text)
    assert [(line["step"], line["loss"]) for line in found] == [(1, 4.5), (2, 4.0)]


def test_lines_are_read_once_as_they_grow(tmp_path: Path):
    path = tmp_path / "rank-0.log"
    reader = LogFigures(path, r"loss (?P<loss>\S+)")
    assert reader.read() == []
    seen = []
    with path.open("ab", 0) as file:
        for piece in (b"lo", b"ss 1\nloss 2", b".5\n", b"\n\xff\xfe loss 3\n"):
            file.write(piece)
            seen += [line.values["loss"] for line in reader.read()]
    assert seen == [1, 2.5, 3]


def test_what_stands_far_to_the_right_is_not_looked_at(tmp_path: Path):
    assert read(tmp_path, r"loss (?P<loss>\S+)", "x" * LONGEST + "loss 3\nloss 4\n")[0]["loss"] == 4


def test_a_hole_at_the_head_is_passed(tmp_path: Path):
    path = tmp_path / "rank-0.log"
    with path.open("wb") as file:
        file.seek(2**34)
        file.write(b"the rest of a line, loss 1\nloss 2\n")
    lines = LogFigures(path, r"loss (?P<loss>\S+)").read()
    assert [line.values["loss"] for line in lines] == [2]


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"loss (\S+)", "named group"),
        (r"step (?P<step>\d+)", "named group"),
        (r"loss (?P<loss>\S+", "regular expression"),
        (r"(?P<loss>(a+)+)$", "for ever"),
        (r"(?P<loss>(?:a|ab)*)c", "for ever"),
        (r"(?P<loss>(?:x?y?)*)c", "for ever"),
        (r"(?P<loss>\w+) (?P=loss)", "for ever"),
        (r"(?=(?P<loss>(\d+,?)+))", "for ever"),
    ],
)
def test_useless_patterns_are_refused_in_one_line(pattern: str, reason: str):
    with pytest.raises(ValueError, match=reason) as refused:
        check(pattern)
    assert "\n" not in str(refused.value)
    assert pattern in str(refused.value) or repr(pattern) in str(refused.value)


@pytest.mark.parametrize(
    "pattern",
    [
        r"step\s+(?P<step>\d+).*?loss[ :=]+(?P<loss>[-+\d.eE]+)",
        r"(?:train|eval) loss (?P<loss>\d+(?:\.\d+)?)",
        r"(?P<tokens>\d{1,3}(?:,\d{3})*)",
        r"iter (?P<step>\d+): loss (?P<loss>\S+), time (?P<dt>\S+)ms",
    ],
)
def test_usual_patterns_are_taken(pattern: str):
    check(pattern)
