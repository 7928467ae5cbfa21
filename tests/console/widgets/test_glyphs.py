"""Which characters a terminal gets."""

from dataclasses import fields

import pytest
from rich.cells import cell_len

from llmos.console.widgets.glyphs import ASCII, UNICODE, Glyphs, choose, glyphs


@pytest.mark.parametrize(
    ("environment", "encoding", "expected"),
    [
        ({"TERM": "xterm-256color"}, "UTF-8", UNICODE),
        ({"TERM": "xterm-256color"}, "utf8", UNICODE),
        ({}, "utf-8", UNICODE),
        ({"TERM": "xterm-256color"}, "ascii", ASCII),
        ({"TERM": "xterm-256color"}, "ISO-8859-1", ASCII),
        ({"TERM": "linux"}, "UTF-8", ASCII),
        ({"TERM": "dumb"}, "UTF-8", ASCII),
        ({"TERM": "linux", "LLMOS_ASCII": "0"}, "ascii", UNICODE),
        ({"TERM": "xterm", "LLMOS_ASCII": "1"}, "UTF-8", ASCII),
        ({"TERM": "xterm", "LLMOS_ASCII": ""}, "UTF-8", UNICODE),
    ],
)
def test_terminal_locale_and_wish_decide(
    environment: dict[str, str], encoding: str, expected: Glyphs
) -> None:
    assert choose(environment, encoding) is expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"LANG": "C"}, ASCII),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "POSIX"}, ASCII),
        ({"LANG": "C", "LC_ALL": "C.UTF-8"}, UNICODE),
        ({"LANG": "de_DE.utf8@euro"}, UNICODE),
    ],
)
def test_the_locale_is_the_terminal_s_and_not_python_s(
    variables: dict[str, str], expected: Glyphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG", "LLMOS_ASCII"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    glyphs.cache_clear()
    try:
        assert glyphs() is expected
    finally:
        glyphs.cache_clear()


@pytest.mark.parametrize("chosen", [UNICODE, ASCII])
def test_every_character_is_one_cell(chosen: Glyphs) -> None:
    for field in fields(chosen):
        value = getattr(chosen, field.name)
        if isinstance(value, str) and field.name != "name":
            assert cell_len(value) == len(value), field.name


@pytest.mark.parametrize("chosen", [UNICODE, ASCII])
def test_marks_and_heights_differ(chosen: Glyphs) -> None:
    marks = (chosen.ok, chosen.warn, chosen.bad, chosen.idle, chosen.info, chosen.unknown)
    assert len(set(marks)) == len(marks)
    assert len(set(chosen.rows)) == 9
    assert len(set(chosen.series)) == 6
    assert chosen.absent not in chosen.rows


def test_ascii_is_ascii() -> None:
    assert all(str(getattr(ASCII, field.name)).isascii() for field in fields(ASCII))
