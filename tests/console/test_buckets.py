"""Samples gathered into stretches that stay where they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.console.buckets import STEPS, gather, stretch


@pytest.mark.parametrize(
    ("span", "dots", "step"), [(600, 600, 1), (600, 76, 10), (600, 1, 60), (600, 0, 60), (9, 5, 2)]
)
def test_the_shortest_stretch_that_covers_the_span(span, dots, step):
    assert stretch(span, dots) == step


def test_each_full_stretch_is_its_mean_at_its_middle():
    middles, means = gather([0, 1, 2, 3, 4], [1, 3, 5, 7, 9], 2)
    assert middles.tolist() == [1, 3]
    assert means.tolist() == [2, 6]


def test_the_first_stretch_is_shown_while_it_fills():
    middles, means = gather([10, 11], [4, 6], 60)
    assert (middles.tolist(), means.tolist()) == ([30], [5])


def test_what_is_not_known_is_left_out_of_a_mean_and_never_zero():
    _, means = gather([0, 1, 2, 3, 4], [np.nan, 3, np.nan, np.nan, 1], 2)
    assert means[0] == 3
    assert np.isnan(means[1])


def test_a_time_without_samples_is_no_stretch():
    middles, _ = gather([0, 10, 20], [1, 1, 1], 5)
    assert middles.tolist() == [2.5, 12.5]


def test_nothing_gathers_to_nothing():
    assert [len(part) for part in gather([], [], 5)] == [0, 0]


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.floats(-1e6, 1e6)), min_size=1, max_size=50),
    st.sampled_from(STEPS),
)
def test_a_stretch_does_not_move_when_samples_come(samples, step):
    times, values = zip(*sorted(samples), strict=True)
    before = gather(times, values, step)
    after = gather([*times, times[-1] + step], [*values, 0.0], step)
    known = dict(zip(after[0].tolist(), after[1].tolist(), strict=True))
    for middle, mean in zip(before[0][:-1].tolist(), before[1][:-1].tolist(), strict=True):
        assert known[middle] == pytest.approx(mean)
