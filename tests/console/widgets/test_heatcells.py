"""The heat map's cells: where they stand, what they show, and that they keep still."""

from collections.abc import Sequence
from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.agents.protocol.fields import GPU_STATES
from llmos.console import themes
from llmos.console.widgets.glyphs import ASCII, UNICODE, Glyphs
from llmos.console.widgets.heatcells import (
    MARK_OF_STATE,
    Layout,
    Mark,
    cell_codes,
    choose_layout,
    line_strip,
)

ROLES = themes.roles("dark")


def drawn(
    figures: list[float],
    layout: Layout,
    glyphs: Glyphs = UNICODE,
    marks: Sequence[int] | None = None,
    line: int = 0,
) -> str:
    found = None if marks is None else np.array(marks, dtype=np.uint8)
    codes = cell_codes(np.array(figures), found, layout.levels)
    return line_strip(codes, line, layout, None, ROLES, glyphs).text


@pytest.mark.parametrize(
    ("count", "width", "height", "expected"),
    [
        (8, 80, 4, Layout(columns=32, cell=2, group=8)),
        (100, 80, 4, Layout(columns=32, cell=2, group=8)),
        (200, 80, 4, Layout(columns=72, cell=1, group=8)),
        (300, 80, 4, Layout(columns=80, stacked=2, levels=8)),
        (100_000, 80, 4, Layout(columns=80, stacked=2, levels=8)),
        (3, 6, 4, Layout(columns=3, cell=2)),
        (5, 1, 9, Layout(columns=1, cell=1)),
        (5, 0, 0, Layout(columns=1, stacked=2, levels=8)),
    ],
)
def test_the_roomiest_layout_that_fits(
    count: int, width: int, height: int, expected: Layout
) -> None:
    assert choose_layout(count, width, height, group=8) == expected


def test_without_halves_a_large_map_is_scrolled() -> None:
    layout = choose_layout(1000, 80, 4, halves=False)
    assert (layout.stacked, layout.lines(1000)) == (1, 13)


def test_heights_tell_the_load_without_colour() -> None:
    layout = Layout(columns=5, cell=2, group=2)
    assert drawn([0, 0.25, 0.5, 1, nan], layout) == "▁▁▃▃ ▅▅██ ··"
    assert drawn([0, 0.25, 0.5, 1, nan], layout, ASCII) == "__:: ==## ,,"


def test_marks_stand_in_for_levels() -> None:
    layout = Layout(columns=4)
    marks = [Mark.NONE, Mark.WARN, Mark.BAD, Mark.UNKNOWN]
    assert drawn([1, 1, nan, 0], layout, marks=marks) == "█▲✖?"
    assert drawn([1, 1, nan, 0], layout, ASCII, marks=marks) == "#!x?"


def test_two_rows_share_a_character_and_the_worse_mark_is_shown() -> None:
    layout = Layout(columns=3, stacked=2, levels=8)
    assert drawn([0, 1, 0, 1, 0], layout) == "▀▀▀"
    assert drawn([0, 1, 0, 1, 0], layout, marks=[0, 2, 0, 0, 3]) == "▀✖▀"


def test_the_halves_have_the_ramp_s_colours_and_the_ground_s() -> None:
    layout = Layout(columns=2, stacked=2, levels=8)
    codes = cell_codes(np.array([0.0, 1.0, 1.0]), None, 8)
    first, second = line_strip(codes, 0, layout, None, ROLES, UNICODE)
    low, high = ROLES.steps[0].color, ROLES.steps[-1].color
    assert first.style is not None
    assert (first.style.color, first.style.bgcolor) == (low, high)
    assert second.style is not None
    assert (second.style.color, second.style.bgcolor) == (high, ROLES.base.bgcolor)


@pytest.mark.parametrize(("row", "half"), [(1, 0), (4, 1)])
def test_the_cursor_is_the_half_it_points_at(row: int, half: int) -> None:
    layout = Layout(columns=3, stacked=2, levels=8)
    codes = cell_codes(np.zeros(6), None, 8)
    segments = list(line_strip(codes, 0, layout, row, ROLES, UNICODE))
    assert len(segments) == 3
    style = segments[1].style
    assert style is not None
    assert (style.color, style.bgcolor)[half] == ROLES.title.color


def test_the_cursor_on_a_whole_cell_is_reverse() -> None:
    codes = cell_codes(np.zeros(3), None, 16)
    segments = list(line_strip(codes, 0, Layout(columns=3), 1, ROLES, UNICODE))
    assert [bool(s.style and s.style.reverse) for s in segments] == [False, True, False]


def test_noise_around_a_level_changes_nothing_and_a_step_does() -> None:
    before = cell_codes(np.full(4, 4 / 7), None, 8)
    noisy = cell_codes(np.array([0.51, 0.63, 0.47, 0.67]), None, 8, before)
    assert noisy.tolist() == before.tolist()
    moved = cell_codes(np.array([0.40, 0.75, nan, 0.6]), None, 8, before)
    assert (moved != before).tolist() == [True, True, True, False]


def test_a_cell_that_was_absent_takes_its_level_at_once() -> None:
    before = cell_codes(np.array([nan]), None, 8)
    assert cell_codes(np.array([0.0]), None, 8, before).tolist() == [1]


def test_every_state_has_a_mark() -> None:
    marks = {state: Mark(MARK_OF_STATE[code]) for code, state in enumerate(GPU_STATES)}
    assert marks == {
        "ok": Mark.NONE,
        "lost": Mark.BAD,
        "hung": Mark.BAD,
        "slow": Mark.WARN,
        "failed": Mark.BAD,
    }
    assert MARK_OF_STATE[255] == Mark.UNKNOWN


@given(st.integers(1, 400), st.integers(1, 60), st.integers(1, 8), st.integers(0, 9), st.booleans())
def test_every_row_is_found_where_it_is_drawn(
    count: int, width: int, height: int, group: int, halves: bool
) -> None:
    layout = choose_layout(count, width, height, group=group, halves=halves)
    assert layout.width <= width
    for row in range(count):
        line, column, level = layout.place(row)
        assert 0 <= line < layout.lines(count)
        upper = row - level * layout.columns
        assert layout.row_at(line, layout.offset(column), count) == upper


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=80),
    st.integers(1, 40),
    st.integers(1, 6),
    st.integers(0, 9),
    st.sampled_from([UNICODE, ASCII]),
    st.integers(0, 79),
)
def test_a_line_is_never_wider_than_its_layout(
    figures: list[float], width: int, height: int, group: int, glyphs: Glyphs, cursor: int
) -> None:
    halves = bool(glyphs.upper_half)
    layout = choose_layout(len(figures), width, height, group=group, halves=halves)
    marks = np.arange(len(figures), dtype=np.uint8) % len(Mark)
    codes = cell_codes(np.array(figures), marks, layout.levels)
    at = cursor % len(figures)
    for line in range(layout.lines(len(figures))):
        own = at if layout.place(at)[0] == line else None
        strip = line_strip(codes, line, layout, own, ROLES, glyphs)
        assert strip.cell_length == sum(segment.cell_length for segment in strip)
        assert 0 < strip.cell_length <= layout.width
