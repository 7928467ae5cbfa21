"""Figures as a person reads them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.console import quantities as q

ALL = (
    q.percent, q.celsius, q.watts, q.megahertz, q.mebibytes, q.kibibytes,
    q.rate, q.count, q.number, q.duration, q.age,
)  # fmt: skip
FIGURES = st.none() | st.integers(-(2**40), 2**40) | st.floats()

GOLDEN = [
    (q.percent, 62.6, "63%"),
    (q.celsius, 71, "71°"),
    (q.watts, 411.6, "412W"),
    (q.watts, 5600, "5.60kW"),
    (q.megahertz, 1980.4, "1980"),
    (q.mebibytes, 0, "0"),
    (q.mebibytes, 73_000, "71.3G"),
    (q.mebibytes, 512, "512M"),
    (q.kibibytes, 0.2, "0.2K"),
    (q.kibibytes, 2150, "2.1M"),
    (q.kibibytes, 0.0001, "0"),
    (q.rate, 0, "0"),
    (q.rate, 1250, "1.22M/s"),
    (q.count, 12, "12"),
    (q.count, 12_400, "12.4k"),
    (q.count, 0.5, "0.5"),
    (q.number, 3.14159, "3.142"),
    (q.number, 0.0003, "0.0003"),
    (q.duration, 42.9, "42s"),
    (q.duration, 190, "3m10s"),
    (q.duration, 18_120, "5h02m"),
    (q.duration, 1_051_200, "12d04h"),
    (q.duration, -3, "0s"),
    (q.age, 1.26, "1.3s"),
    (q.age, 75, "1m15s"),
]


@pytest.mark.parametrize(("form", "value", "shown"), GOLDEN)
def test_a_figure_is_short_and_has_its_unit(form, value, shown):
    assert form(value) == shown


@pytest.mark.parametrize("form", ALL)
@pytest.mark.parametrize("absent", [None, math.nan, math.inf, -math.inf])
def test_what_is_not_known_is_never_zero(form, absent):
    assert form(absent) == "n/a"


@given(FIGURES, st.sampled_from(ALL))
def test_no_figure_is_too_much(value, form):
    assert form(value)


@given(st.floats(0, 2**50))
def test_an_amount_fits_six_cells(value):
    assert len(q.kibibytes(value)) <= 6
    assert len(q.mebibytes(min(value, 2**40))) <= 6


def test_a_part_of_a_total_names_the_shared_unit_once():
    assert q.of_total(71_270, 81_559) == "69.6/79.6G"
    assert q.of_total(994, 24_000) == "994M/23.4G"
    assert q.of_total(0, 24_000) == "0/23.4G"
    assert q.of_total(None, 81_559) == "n/a/79.6G"
    assert q.of_total(None, None) == "n/a/n/a"


@given(FIGURES, FIGURES)
def test_any_two_amounts_make_a_part_and_a_total(used, total):
    assert "/" in q.of_total(used, total)
