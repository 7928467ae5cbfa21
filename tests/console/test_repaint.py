"""Partial updates: a terminal gets what the strips say, and nothing outside the spans."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual.strip import Strip

from llmos.console.repaint import Repaint, exact

WIDTH = 12
STYLES = [
    Style.parse(text)
    for text in ("", "red", "red on #102030", "#405060 on #102030", "bold red", "reverse on blue")
]
CONSOLE = Console(color_system="truecolor", force_terminal=True)
Cell = tuple[str, frozenset[tuple[str, str]]]


class Terminal:
    """One character a cell, with the style it was written in."""

    def __init__(self) -> None:
        self.cells: dict[tuple[int, int], Cell] = {}
        self.style: dict[str, str] = {}
        self.x = self.y = 0

    def feed(self, text: str) -> None:
        for sequence, character in re.findall(r"\x1b\[([\d;]*[Hm])|(.)", text):
            if character:
                self.cells[self.x, self.y] = character, frozenset(self.style.items())
                self.x += 1
            elif sequence.endswith("H"):
                self.y, self.x = (int(part) - 1 for part in sequence[:-1].split(";"))
            else:
                self.set_style(sequence[:-1].split(";"))

    def set_style(self, codes: list[str]) -> None:
        while codes:
            code = codes.pop(0)
            if code in ("38", "48"):
                self.style[code[0]] = ";".join(codes.pop(0) for _ in range(4))
            elif code in ("39", "49"):
                self.style.pop(code[0], None)
            elif code in ("0", ""):
                self.style.clear()
            elif len(code) == 2:
                self.style[code[0]] = code
            else:
                self.style[code] = code


def written(strip: Strip, y: int, spans: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Cell]:
    """What a terminal shows of a strip inside the spans, as Textual itself renders it."""
    terminal = Terminal()
    terminal.feed(f"\x1b[{y + 1};1H{strip.render(CONSOLE)}")
    inside = {x for start, end in spans for x in range(start, end)}
    return {place: cell for place, cell in terminal.cells.items() if place[0] in inside}


def strips() -> st.SearchStrategy[Strip]:
    segment = st.builds(Segment, st.text("ab ▀⠿", min_size=1, max_size=5), st.sampled_from(STYLES))
    return st.lists(segment, min_size=3, max_size=8).map(
        lambda segments: Strip(segments).adjust_cell_length(WIDTH, Style.null())
    )


def spans() -> st.SearchStrategy[list[tuple[int, int]]]:
    edges = st.lists(st.integers(0, WIDTH), min_size=2, max_size=6, unique=True)
    return edges.map(sorted).map(
        lambda found: list(zip(found[0::2], found[1::2], strict=False)) or [(0, WIDTH)]
    )


@given(st.lists(st.tuples(strips(), spans()), min_size=1, max_size=3))
def test_the_spans_are_painted_as_the_strips_say_and_nothing_else_is(
    lines: list[tuple[Strip, list[tuple[int, int]]]],
) -> None:
    update = Repaint(
        [{0: strip} for strip, _ in lines],
        [(y, *span) for y, (_, wanted) in enumerate(lines) for span in wanted],
        [[WIDTH]] * len(lines),
    )
    terminal = Terminal()
    terminal.feed(update.render_segments(CONSOLE))
    expected: dict[tuple[int, int], Cell] = {}
    for y, (strip, wanted) in enumerate(lines):
        expected |= written(strip, y, wanted)
    assert terminal.cells == expected
    assert terminal.style == {}


def test_widgets_beside_each_other_and_those_hidden() -> None:
    left, right = Strip([Segment("abc", STYLES[1])], 3), Strip([Segment("xyz", STYLES[1])], 3)
    update = Repaint([{0: left, 3: None, 6: right}], [(0, 2, 8)], [[3, 6, 9]])
    assert update.render_segments(CONSOLE) == "\x1b[1;3H\x1b[31mc\x1b[1;7Hxy\x1b[0m"


def test_only_the_colour_that_differs_is_sent() -> None:
    line = Strip([Segment("a", STYLES[2]), Segment("b", STYLES[3]), Segment("c", STYLES[0])], 3)
    update = Repaint([{0: line}], [(0, 0, 3)], [[3]])
    assert update.render_segments(CONSOLE) == (
        "\x1b[1;1H\x1b[31;48;2;16;32;48ma\x1b[38;2;64;80;96mb\x1b[0mc"
    )


def test_half_of_a_wide_character_is_a_blank() -> None:
    line = Strip([Segment("語語", STYLES[0])], 4)
    update = Repaint([{0: line}], [(0, 1, 4)], [[4]])
    assert update.render_segments(CONSOLE) == "\x1b[1;2H 語"


@pytest.mark.parametrize("other", [None, "text"])
def test_other_updates_pass_through(other: str | None) -> None:
    assert exact(other) is other


def test_partial_updates_are_made_exact() -> None:
    update = exact(ChopsUpdate([{0: Strip([Segment("a")], 1)}], [(0, 0, 1)], [[1]]))
    assert isinstance(update, Repaint)
    assert update.render_segments(CONSOLE) == "\x1b[1;1Ha"
