"""Bars: to an eighth of a cell, with words, and absent is not empty."""

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.console import themes
from llmos.console.widgets.bar import bar
from llmos.console.widgets.glyphs import ASCII, UNICODE, Glyphs

ROLES = themes.roles("dark")
FEW = themes.roles("dark", depth="few")


def drawn(
    fraction: float | None,
    width: int,
    text: str = "",
    glyphs: Glyphs = UNICODE,
    roles: themes.Roles = ROLES,
) -> str:
    return "".join(segment.text for segment in bar(fraction, width, roles, glyphs, text))


@pytest.mark.parametrize(
    ("fraction", "width", "expected"),
    [
        (0.0, 4, "    "),
        (1.0, 4, "████"),
        (0.5, 4, "██  "),
        (0.53125, 4, "██▏ "),
        (0.72, 4, "██▉ "),
        (0.001, 4, "▏   "),
        (-3.0, 4, "    "),
        (1e308, 4, "████"),
        (inf, 2, "██"),
        (0.5, 1, "▌"),
        (0.5, 0, ""),
        (nan, 5, "  n/a"),
        (None, 5, "  n/a"),
        (None, 2, "n/"),
    ],
)
def test_unicode(fraction: float | None, width: int, expected: str) -> None:
    assert drawn(fraction, width) == expected


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0.0, "......"), (0.5, "###..."), (1.0, "######"), (None, "...n/a")]
)
def test_ascii(fraction: float | None, expected: str) -> None:
    assert drawn(fraction, 6, glyphs=ASCII) == expected


def test_without_shades_the_track_is_a_line() -> None:
    assert drawn(0.5, 4, roles=FEW) == "██┈┈"


def test_words_on_the_filling_are_reverse_and_on_the_track_are_not() -> None:
    segments = bar(0.8, 10, ROLES, UNICODE, "80 %")
    assert [segment.text for segment in segments] == ["██████", "80", " %"]
    assert [bool(segment.style and segment.style.reverse) for segment in segments] == [
        False,
        True,
        False,
    ]


def test_words_are_cut_where_the_bar_is_shorter() -> None:
    assert drawn(1.0, 3, "100 %") == "100"


def test_a_bar_takes_the_ink_of_its_load_or_the_given_one() -> None:
    assert bar(1.0, 3, ROLES, UNICODE)[0].style is ROLES.steps[-1]
    assert bar(1.0, 3, ROLES, UNICODE, style=ROLES.bad)[0].style is ROLES.bad


def test_the_same_eighths_give_the_same_segments() -> None:
    one = bar(0.500, 8, ROLES, UNICODE, style=ROLES.ok)
    assert bar(0.501, 8, ROLES, UNICODE, style=ROLES.ok) is one


@given(
    st.none() | st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-1, 30),
    st.sampled_from([UNICODE, ASCII]),
    st.text("0123456789 %/naGB", max_size=12),
)
def test_the_width_is_always_the_one_asked_for(
    fraction: float | None, width: int, glyphs: Glyphs, text: str
) -> None:
    segments = bar(fraction, width, ROLES, glyphs, text)
    assert sum(segment.cell_length for segment in segments) == max(width, 0)
