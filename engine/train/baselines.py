"""What a language model must beat to have learned anything: word counts.

Both score the same held-out tokens with the same tokenizer as the model, so that the perplexities
stand side by side.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from .tokenizer import Tokens

FITTING_SHARE: Final = 0.1
"""Of the training tokens, those on which the bigram model's weights are fitted."""

ROUNDS: Final = 200
"""Of expectation-maximization, at most. Three weights settle within some tens."""

Floats = NDArray[np.float64]


def unigram_perplexity(training: Tokens, held_out: Tokens, vocabulary: int) -> float:
    """Of a model that knows how frequent each token is, with one added to each count (Laplace;
    Jurafsky and Martin, "Speech and Language Processing", 3rd edition draft, section 3.6.1)."""
    counts = np.bincount(training[1:], minlength=vocabulary)
    probabilities = (counts + 1) / (len(training) - 1 + vocabulary)
    return _perplexity(probabilities[held_out[1:]])


def bigram_perplexity(training: Tokens, held_out: Tokens, vocabulary: int) -> float:
    """Of a mixture of bigram, unigram and uniform probabilities.

    The weights maximize the likelihood of a part of the training tokens that was not counted
    (Jelinek and Mercer 1980, "Interpolated estimation of Markov source parameters from sparse
    data"); then all training tokens are counted.
    """
    counted = len(training) - max(2, int(len(training) * FITTING_SHARE))
    parts = _mixed(training[:counted], training[counted - 1 :], vocabulary)
    weights = fit_weights(parts)
    return _perplexity(_mixed(training, held_out, vocabulary) @ weights)


def fit_weights(parts: Floats) -> Floats:
    """The weights of a mixture under which the data are likeliest, by expectation-maximization
    (Dempster, Laird and Rubin 1977).

    Args:
        parts: [tokens, components], the probability that each component gives each token.

    Returns:
        [components], not negative, with sum 1.
    """
    weights = np.full(parts.shape[1], 1 / parts.shape[1])
    for _ in range(ROUNDS):
        shares = parts * weights
        shares /= shares.sum(axis=1, keepdims=True)
        before, weights = weights, shares.mean(axis=0)
        if np.abs(weights - before).max() < 1e-6:
            break
    return weights


def _mixed(training: Tokens, tokens: Tokens, vocabulary: int) -> Floats:
    """[tokens - 1, 3]: bigram, unigram and uniform probability of each token but the first. After
    a token that training never saw followed, the bigram's share is the unigram's."""
    seen, counts = np.unique(_pairs(training, vocabulary), return_counts=True)
    wanted = _pairs(tokens, vocabulary)
    found = np.minimum(np.searchsorted(seen, wanted), len(seen) - 1)
    together = np.where(seen[found] == wanted, counts[found], 0)
    before = np.bincount(training[:-1], minlength=vocabulary)[tokens[:-1]]
    unigram = (np.bincount(training[1:], minlength=vocabulary) / (len(training) - 1))[tokens[1:]]
    bigram = np.where(before > 0, together / np.maximum(before, 1), unigram)
    return np.stack([bigram, unigram, np.full(len(wanted), 1 / vocabulary)], axis=1)


def _pairs(tokens: Tokens, vocabulary: int) -> NDArray[np.int64]:
    """Each token with the one before it, as one number."""
    wide = tokens.astype(np.int64)
    return wide[:-1] * vocabulary + wide[1:]


def _perplexity(probabilities: Floats) -> float:
    return float(np.exp(-np.log(probabilities).mean()))
