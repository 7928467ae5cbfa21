"""Axes: ticks at round figures, and words that fit beside them."""

from math import inf, log10, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.console.widgets.axes import (
    Axes,
    age_text,
    compact,
    log_ticks,
    nice_step,
    ticks,
    time_step,
    x_ticks,
)


@pytest.mark.parametrize(
    ("value", "step", "unit", "expected"),
    [
        (0, 0, "", "0"),
        (3.14159, 0, "", "3.14"),
        (97, 0, "%", "97 %"),
        (34.1, 0, "%", "34.1 %"),
        (1000, 0, "", "1k"),
        (12_345, 0, "", "12.3k"),
        (1_500_000, 500_000, "", "1.5M"),
        (34_359_738_368, 0, "B", "34.4 GB"),
        (-2500, 500, "", "-2.5k"),
        (0.03, 0, "", "0.03"),
        (0.5, 0.25, "", "0.5"),
        (0.00012, 0, "", "0.00012"),
        (3e-5, 0, "", "3e-5"),
        (1e300, 0, "", "1e300"),
        (999_999, 0, "", "1M"),
        (999.7, 0, "", "1k"),
        (nan, 0, "W", "n/a"),
        (inf, 0, "", "n/a"),
    ],
)
def test_compact(value: float, step: float, unit: str, expected: str) -> None:
    assert compact(value, step, unit) == expected


@pytest.mark.parametrize(
    ("span", "count", "step"), [(100, 5, 20), (100, 4, 50), (7, 5, 2), (0.3, 3, 0.1), (1, 1, 1)]
)
def test_nice_step(span: float, count: int, step: float) -> None:
    assert nice_step(span, count) == pytest.approx(step)


@given(st.floats(1e-250, 1e250), st.integers(1, 50))
def test_a_nice_step_cuts_into_no_more_parts_than_asked(span: float, count: int) -> None:
    assert span / nice_step(span, count) <= count * (1 + 1e-6)


def test_ticks_are_multiples_inside_the_edges() -> None:
    assert ticks(0.0, 100.0, 25.0) == [0, 25, 50, 75, 100]
    assert ticks(3.1, 9.9, 2.0) == [4, 6, 8]


def test_log_ticks_are_decades_and_finer_where_there_are_few() -> None:
    assert log_ticks(-3, 3, 10) == [-3, -2, -1, 0, 1, 2, 3]
    assert log_ticks(-3, 3, 3) == [-3, 0, 3]
    assert log_ticks(log10(2.5), log10(11), 5) == [log10(5), 1]


def test_time_is_cut_where_a_clock_is_read() -> None:
    assert [time_step(span, 4) for span in (2, 60, 300, 3600, 86_400, 400_000)] == [
        0.5,
        15,
        120,
        900,
        21_600,
        172_800,
    ]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "now"),
        (30, "-30s"),
        (90, "-1m30s"),
        (300, "-5m"),
        (7200, "-2h"),
        (172_800, "-2d"),
        (302_400, "-3d12h"),
        (0.5, "-0.5s"),
    ],
)
def test_age(seconds: float, expected: str) -> None:
    assert age_text(seconds) == expected


def test_horizontal_ticks() -> None:
    noon = 1_700_049_600.0  # 2023-11-15 12:00 UTC
    assert x_ticks(0, 1000, 4, Axes()) == [(0, "0"), (500, "500"), (1000, "1.0k")]
    assert x_ticks(noon - 60, noon, 2, Axes(across="age")) == [
        (noon - 60, "-1m"),
        (noon - 30, "-30s"),
        (noon, "now"),
    ]
    assert x_ticks(noon, noon + 7200, 2, Axes(across="clock", utc=True)) == [
        (noon, "12:00"),
        (noon + 3600, "13:00"),
        (noon + 7200, "14:00"),
    ]
    assert x_ticks(5, 5, 4, Axes()) == []
