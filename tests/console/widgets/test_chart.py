"""Charts: golden text with and without Unicode, short rooms, and odd figures."""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from llmos.console import themes
from llmos.console.widgets.axes import Axes
from llmos.console.widgets.chart import chart
from llmos.console.widgets.curves import Curve
from llmos.console.widgets.glyphs import ASCII, UNICODE, Glyphs

ROLES = themes.roles("dark")
FEW = themes.roles("dark", depth="few")
PERCENT = Axes(title="utilization", unit="%", low=0, high=100, across="age")


def curve(y: ArrayLike, name: str = "c", start: float = 0) -> Curve:
    figures = np.asarray(y, dtype=float)
    return Curve(name, start + np.arange(len(figures), dtype=float), figures)


def drawn(
    curves: list[Curve],
    axes: Axes,
    width: int,
    height: int,
    glyphs: Glyphs = UNICODE,
    roles: themes.Roles = ROLES,
) -> list[str]:
    return [strip.text.rstrip() for strip in chart(curves, axes, width, height, roles, glyphs)]


SAW = [0, 20, 40, 60, 80, 100, nan, nan, 50, 50, 50, 25]


def test_unicode() -> None:
    assert drawn([curve(SAW)], PERCENT, 42, 9) == [
        "utilization  25 %       min 0 %  max 100 %",
        "100┤┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈⡠⠒⠁┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈",
        "   │           ⢀⡠⠔⠉",
        "   │         ⡠⠊⠁",
        " 50┤┈┈┈┈┈┈⣀⠔⠉┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈⠈⠉⠉⠉⠉⠉⠉⠑⠢⡀┈",
        "   │  ⢀⡠⠒⠉                              ⠈⠑",
        "  0┤⡠⠔⠁┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈",
        "   └───┬────────────────┬────────────────┬",
        "     -10s              -5s             now",
    ]


def test_ascii() -> None:
    assert drawn([curve(SAW)], PERCENT, 42, 9, ASCII) == [
        "utilization  25 %       min 0 %  max 100 %",
        "100+...............***....................",
        "   |            ***",
        "   |         ***               ********",
        " 50+......***..........................**.",
        "   |  ****                               *",
        "  0+**....................................",
        "   +---+----------------+----------------+",
        "     -10s              -5s             now",
    ]


def test_a_short_room_keeps_the_curve() -> None:
    assert drawn([curve([0, 100])], PERCENT, 12, 2) == ["      ⣀⡠⠤⠔⠒⠉", "⣀⠤⠔⠒⠊⠉"]
    assert drawn([curve([0, 100])], PERCENT, 24, 4) == [
        "utilization  100 %",
        "100┤┈┈┈┈┈┈┈┈┈┈┈┈┈⢀⣀⡠⠤⠒⠒⠉",
        " 50┤┈┈┈┈┈┈⢀⣀⠤⠤⠒⠒⠉⠁┈┈┈┈┈┈",
        "  0┤⣀⠤⠤⠒⠊⠉⠁┈┈┈┈┈┈┈┈┈┈┈┈┈",
    ]


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (40, "loss           ── train 1  ── held out 2"),
        (28, "loss   ── train  ── held out"),
        (20, "loss  ── train  ── …"),
    ],
)
def test_several_curves_have_a_legend(width: int, expected: str) -> None:
    several = [curve([3, 2, 1], "train"), curve([3, 3, 2], "held out")]
    assert drawn(several, Axes(title="loss"), width, 6)[0] == expected


def test_without_shades_several_curves_have_marks_of_their_own() -> None:
    several = [curve([3, 3, 3], "train"), curve([1, 1, 1], "held out")]
    assert drawn(several, Axes(title="loss"), 40, 6, roles=FEW) == [
        "loss             • train 3  + held out 1",
        "3┤••••••••••••••••••••••••••••••••••••••",
        " │",
        "2┤┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈",
        "1┤++++++++++++++++++++++++++++++++++++++",
        "  0                 1                  2",
    ]


def test_curves_have_the_colours_of_the_legend() -> None:
    several = [curve([3, 3, 3], "train"), curve([1, 1, 1], "held out")]
    strips = chart(several, Axes(), 40, 6, ROLES, UNICODE)
    inks = {style for strip in strips[1:-1] for _, style, _ in strip}
    assert set(ROLES.series[:2]) <= inks
    assert ROLES.series[2] not in inks


def test_a_logarithmic_axis_leaves_out_what_has_no_logarithm() -> None:
    assert drawn([curve([1000, 100, 10, 0, 1])], Axes(log=True), 30, 10, ASCII) == [
        "1                min 1  max 1k",
        "   |**",
        "   |  ***",
        "100+.....***..................",
        "   |        ***",
        "   |           **",
        "   |",
        "  1+.........................*",
        "   ++-----------+------------+",
        "    0           2            4",
    ]


@pytest.mark.parametrize("figures", [[], [nan, nan], [inf, -inf]])
def test_without_figures_it_says_so(figures: list[float]) -> None:
    lines = drawn([curve(figures)], Axes(title="loss"), 30, 7)
    assert lines[0] == "loss  n/a"
    assert [line.strip() for line in lines[1:] if line] == ["no data yet"]


def test_no_curves_at_all() -> None:
    assert drawn([], Axes(title="loss"), 20, 4) == ["loss", "", "    no data yet", ""]


def test_a_constant_stands_in_the_middle_of_a_range() -> None:
    assert drawn([curve([7, 7, 7])], Axes(), 20, 5, ASCII) == [
        "7       min 7  max 7",
        " |",
        "7+******************",
        " |",
        "  0                2",
    ]


def test_a_span_shows_the_newest_and_speaks_of_it() -> None:
    assert drawn([curve(range(100))], Axes(span=10), 30, 8, ASCII) == [
        "99              min 89  max 99",
        "100+........................**",
        "   |                 *******",
        " 95+.........********.........",
        "   |    *****",
        " 90+****......................",
        "   +--+------------+----------",
        "     90           95",
    ]


@given(
    st.lists(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30), max_size=3),
    st.integers(0, 60),
    st.integers(0, 14),
    st.builds(
        Axes,
        title=st.sampled_from(["", "loss", "a title that is far too long for most rooms"]),
        unit=st.sampled_from(["", "%"]),
        low=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        high=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        log=st.booleans(),
        across=st.sampled_from(["steps", "age", "clock"]),
        span=st.none() | st.floats(1e-3, 1e6),
        gap=st.none() | st.floats(0.1, 10),
    ),
    st.sampled_from([UNICODE, ASCII]),
    st.sampled_from([0.0, 1.7e9]),
)
def test_the_size_is_always_the_one_asked_for(
    figures: list[list[float]],
    width: int,
    height: int,
    axes: Axes,
    glyphs: Glyphs,
    start: float,
) -> None:
    curves = [curve(y, str(number), start) for number, y in enumerate(figures)]
    strips = chart(curves, axes, width, height, ROLES, glyphs)
    assert len(strips) == height
    for strip in strips:
        assert strip.cell_length == width
        assert sum(segment.cell_length for segment in strip) == width
