"""Verdicts: seldom wrong on equal models, and honest about what the data can show."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.engine.evaluate.verdict import (
    compare_right,
    compare_values,
    smallest_shown,
    told,
)


def right(*counts: int) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes with so many samples that both, only A, only B and neither got right."""
    both, only_a, only_b, neither = counts
    a = [True] * both + [True] * only_a + [False] * (only_b + neither)
    b = [True] * both + [False] * only_a + [True] * only_b + [False] * neither
    return np.array(a), np.array(b)


def test_mcnemar_against_its_textbook_figure() -> None:
    # Agresti 2013, "Categorical Data Analysis", the 1,600 Britons: exact two-sided p of 86 to 150.
    verdict = compare_right(*right(794, 150, 86, 570))
    assert verdict.p == pytest.approx(3.716e-5, rel=1e-3)
    assert verdict.word == "B is worse"
    assert verdict.difference == pytest.approx(-64 / 1600)
    assert verdict.low < verdict.difference < verdict.high < 0


def test_few_samples_show_nothing_and_say_so() -> None:
    verdict = compare_right(*right(3, 0, 2, 0))
    assert verdict.word == "no difference shown"
    assert verdict.smallest is None
    assert told(verdict).endswith("these data can show no difference at all")


def test_equal_answers_are_no_difference() -> None:
    verdict = compare_right(*right(50, 0, 0, 50))
    assert (verdict.word, verdict.p, verdict.low, verdict.high) == ("no difference shown", 1, 0, 0)
    assert verdict.smallest == pytest.approx(0.06, abs=0.006)  # six samples, all to one side


@given(st.tuples(*[st.integers(0, 40)] * 4).filter(lambda counts: sum(counts) > 0))
@settings(max_examples=60, deadline=None)
def test_the_interval_says_what_the_test_says(counts: tuple[int, int, int, int]) -> None:
    verdict = compare_right(*right(*counts))
    other = compare_right(*reversed(right(*counts)))
    shown = verdict.word != "no difference shown"
    assert shown == (verdict.low > 0 or verdict.high < 0)
    assert (other.difference, other.low) == pytest.approx((-verdict.difference, -verdict.high))
    assert verdict.low - 1e-9 <= verdict.difference <= verdict.high + 1e-9


def test_the_smallest_effect_is_shown_as_often_as_it_is_said() -> None:
    random = np.random.default_rng(0)
    samples, apart = 1000, 100
    smallest = smallest_shown(samples, apart)
    assert smallest is not None
    won = (1 + smallest / (apart / samples)) / 2
    shown = 0
    for _ in range(400):
        gained = random.binomial(apart, won)
        verdict = compare_right(*right(800, apart - gained, gained, 100))
        shown += verdict.word == "B is better"
    assert 0.85 < shown / 400 < 0.96


def test_more_samples_show_smaller_effects() -> None:
    effects = [smallest_shown(count, count // 10) for count in (100, 1000, 10_000)]
    assert all(effect is not None for effect in effects)
    assert sorted(effects, reverse=True) == effects  # type: ignore[type-var]


def test_values_are_compared_by_their_means() -> None:
    random = np.random.default_rng(1)
    a = random.gamma(2, size=400)
    better = compare_values(a, a + random.normal(0.2, 0.5, 400), "loss")
    assert better.word == "B is better"
    assert better.low > 0
    equal = compare_values(a, a.copy(), "loss")
    assert (equal.word, equal.p, equal.smallest) == ("no difference shown", 1.0, None)
    again = compare_values(a, a + 1, "loss"), compare_values(a, a + 1, "loss")
    assert again[0] == again[1]


def test_equal_models_are_seldom_told_apart() -> None:
    random = np.random.default_rng(2)
    wrong = 0
    for _ in range(300):
        able = random.beta(4, 1, 300)
        verdict = compare_right(random.random(300) < able, random.random(300) < able)
        wrong += verdict.word != "no difference shown"
    assert wrong / 300 <= 0.06


def test_a_verdict_reads_as_a_sentence() -> None:
    verdict = compare_right(*right(850, 22, 64, 64))
    assert told(verdict) == (
        "B is better: accuracy 0.914 against 0.872, +4.2 points (95 % +2.4 to +5.7); "
        "these data can show 3 points or more"
    )
