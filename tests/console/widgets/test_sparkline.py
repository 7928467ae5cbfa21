"""Sparklines: heights, gaps, and the width that was asked for."""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.console import themes
from llmos.console.widgets.glyphs import ASCII, UNICODE, Glyphs
from llmos.console.widgets.sparkline import levels, sparkline

ROLES = themes.roles("dark")


def drawn(values: list[float], width: int, glyphs: Glyphs = UNICODE) -> str:
    return "".join(s.text for s in sparkline(values, width, 0, 100, ROLES, glyphs))


@pytest.mark.parametrize(
    ("values", "width", "expected"),
    [
        ([0, 14, 29, 43, 57, 71, 86, 100], 8, "▁▂▃▄▅▆▇█"),
        ([1, 2, 50, 100], 2, "▅█"),
        ([50, 100], 4, "  ▅█"),
        ([0, nan, 100], 3, "▁ █"),
        ([nan, nan], 2, "  "),
        ([], 3, "   "),
        ([-5, 1e308], 2, "▁█"),
        ([-inf, inf], 2, "▁█"),
        ([40], 1, "▄"),
        ([40], 0, ""),
        ([40], -1, ""),
    ],
)
def test_unicode(values: list[float], width: int, expected: str) -> None:
    assert drawn(values, width) == expected


def test_ascii() -> None:
    assert drawn([0, 14, 29, 43, nan, 57, 71, 86, 100], 10, ASCII) == " _.:- =+*#"


def test_a_constant_without_a_range_is_low_and_not_a_gap() -> None:
    assert levels([5.0, nan, 5.0], 5, 5).tolist() == [1, 0, 1]


def test_levels_of_a_whole_grid_at_once() -> None:
    found = levels(np.array([[0.0, 0.5], [nan, 1.0]]))
    assert found.tolist() == [[1, 5], [0, 8]]


def test_columns_take_the_ramp_and_neighbours_share_a_segment() -> None:
    first, last = sparkline([0, 0, 100], 3, 0, 100, ROLES, UNICODE)
    assert (first.text, last.text) == ("▁▁", "█")
    assert (first.style, last.style) == (ROLES.steps[0], ROLES.steps[-1])


def test_one_ink_is_one_segment() -> None:
    (only,) = sparkline([0, nan, 100], 3, 0, 100, ROLES, UNICODE, ROLES.accent)
    assert only == ("▁ █", ROLES.accent, None)


def test_equal_levels_give_the_same_segments() -> None:
    one = sparkline([10.0, 50.0], 5, 0, 100, ROLES, UNICODE)
    assert sparkline([10.4, 50.1], 5, 0, 100, ROLES, UNICODE) is one


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=40),
    st.integers(-1, 30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([UNICODE, ASCII]),
    st.booleans(),
)
def test_the_width_is_always_the_one_asked_for(
    values: list[float], width: int, low: float, high: float, glyphs: Glyphs, plain: bool
) -> None:
    style = ROLES.accent if plain else None
    segments = sparkline(values, width, low, high, ROLES, glyphs, style)
    assert sum(s.cell_length for s in segments) == max(width, 0)
