"""Word counts as models, against figures worked out by hand."""

import numpy as np
import pytest

from llmos.engine.train.baselines import (
    _mixed,
    bigram_perplexity,
    fit_weights,
    unigram_perplexity,
)


def tokens(*ids: int) -> np.ndarray:
    return np.array(ids, dtype=np.uint32)


def test_unigram_with_one_added_by_hand() -> None:
    # The counts after the first token: 0 once, 1 twice, 2 never, of 3 tokens; with one added to
    # each, 2/6, 3/6 and 1/6. Held out after its first token: 1, 2.
    figure = unigram_perplexity(tokens(0, 1, 0, 1), tokens(0, 1, 2), vocabulary=3)
    assert figure == pytest.approx((3 / 6 * 1 / 6) ** (-1 / 2))


def test_the_three_probabilities_by_hand() -> None:
    # Training 0 1 0 1 0 2: after 0 came 1 twice and 2 once; after 1 came 0 twice; after 2 nothing.
    parts = _mixed(tokens(0, 1, 0, 1, 0, 2), tokens(0, 1, 0, 2, 1), vocabulary=3)
    unigram = {0: 2 / 5, 1: 2 / 5, 2: 1 / 5}
    assert parts.tolist() == [
        pytest.approx([2 / 3, unigram[1], 1 / 3]),
        pytest.approx([1.0, unigram[0], 1 / 3]),
        pytest.approx([1 / 3, unigram[2], 1 / 3]),
        pytest.approx([unigram[1], unigram[1], 1 / 3]),
    ]


def test_fitted_weights_are_the_likeliest_on_a_grid() -> None:
    random = np.random.default_rng(0)
    parts = random.dirichlet([1, 1, 1], size=500) * random.uniform(size=(500, 1))
    best = fit_weights(parts)
    assert best.sum() == pytest.approx(1)
    likelihood = np.log(parts @ best).mean()
    for first in np.linspace(0, 1, 41):
        for second in np.linspace(0, 1 - first, 41):
            weights = np.array([first, second, max(1 - first - second, 0)])
            assert np.log(parts @ weights + 1e-300).mean() <= likelihood + 1e-6


def test_a_component_that_is_always_right_gets_all_the_weight() -> None:
    parts = np.stack([np.full(50, 0.9), np.full(50, 0.1), np.full(50, 0.2)], axis=1)
    assert fit_weights(parts) == pytest.approx([1, 0, 0], abs=1e-3)


def test_the_bigram_model_knows_what_follows_what() -> None:
    training = tokens(*[0, 1, 2, 3] * 200)
    held_out = tokens(*[0, 1, 2, 3] * 5)
    assert bigram_perplexity(training, held_out, 4) == pytest.approx(1, abs=0.01)
    assert unigram_perplexity(training, held_out, 4) == pytest.approx(4, abs=0.01)


def test_what_was_never_seen_is_unlikely_and_not_impossible() -> None:
    figure = bigram_perplexity(tokens(*[0, 1] * 50), tokens(2, 3, 2, 3), vocabulary=4)
    assert 4 < figure < float("inf")
