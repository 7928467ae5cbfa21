"""The order of rows by one column."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.console.tables.order import natural, ranks

FIGURES = st.none() | st.integers(-9, 9) | st.floats(allow_infinity=True)


@pytest.mark.parametrize("descending", [False, True])
@given(st.lists(FIGURES))
def test_what_is_not_known_is_last_either_way(descending, values):
    ordered = [values[at] for at in ranks(values, descending)]
    absent = [value is None or math.isnan(value) for value in ordered]
    assert absent == sorted(absent)
    known = ordered[: absent.count(False)]
    assert known == sorted(known, reverse=descending)


@pytest.mark.parametrize("descending", [False, True])
@given(st.lists(st.sampled_from(["a", "b", "", None])))
def test_equal_rows_stay_as_they_stood(descending, values):
    order = ranks(values, descending).tolist()
    for text in ("a", "b"):
        places = [at for at in order if values[at] == text]
        assert places == sorted(places)


def test_names_are_counted_as_people_count():
    names = ["node-10", "Node-2", "node-1", "a"]
    assert sorted(names, key=natural) == ["a", "node-1", "Node-2", "node-10"]


@given(st.lists(st.text()))
def test_any_texts_have_an_order(values):
    assert sorted(ranks(values, False).tolist()) == list(range(len(values)))
