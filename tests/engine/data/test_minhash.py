"""Signatures agree as the sets are alike."""

from pydoc_data.topics import topics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.engine.data.minhash import CHUNK, Bands, Permutations, bands_for, standard_error
from llmos.engine.data.shingles import shingles

PLACES = 512
TEXTS = sorted(text for text in topics.values() if len(text) > 1500)


def agreement_error(text: str, other: str) -> float:
    """How many standard errors the estimate is off."""
    hashed, counts = shingles([text, other], 3)
    one, two = (set(part.tolist()) for part in np.split(hashed, counts[:1]))
    true = len(one & two) / len(one | two)
    left, right = Permutations(PLACES).signatures(hashed, counts)
    error = standard_error(true, PLACES)
    return float((left == right).mean() - true) / error if error else 0.0


def test_signatures_agree_as_real_texts_are_alike() -> None:
    errors = []
    for at, text in enumerate(TEXTS[:40]):
        said = text.split()
        cut = len(said) * (at % 9 + 1) // 10
        errors.append(agreement_error(text, " ".join(said[:cut] + TEXTS[at - 1].split()[cut:])))
    # Of 40 normal deviates: mean 0 ± 0.16, spread 1 ± 0.11; four times that is no accident.
    assert abs(np.mean(errors)) < 0.64
    assert 0.56 < np.std(errors) < 1.44


@given(st.lists(st.integers(1, 3 * CHUNK), min_size=1, max_size=5))
def test_a_set_has_the_same_signature_wherever_it_stands(counts: list[int]) -> None:
    members = np.random.default_rng(0).integers(2**64, size=sum(counts), dtype=np.uint64)
    permutations = Permutations(8)
    together = permutations.signatures(members, np.array(counts))
    for one, part in zip(together, np.split(members, np.cumsum(counts)[:-1]), strict=True):
        alone = permutations.signatures(part[::-1], np.array([len(part)]))
        assert np.array_equal(alone[0], one)


def test_no_sets_have_no_signatures() -> None:
    none = Permutations(8).signatures(np.empty(0, np.uint64), np.empty(0, np.int64))
    assert none.shape == (0, 8)
    assert Bands(2, 4).keys(none).shape == (0, 2)


def test_another_seed_gives_other_permutations() -> None:
    members, counts = np.arange(50, dtype=np.uint64), np.array([50])
    one, two, again = (Permutations(8, seed).signatures(members, counts) for seed in (1, 2, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, two)


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.72, 0.8, 0.95, 1.0])
def test_the_bands_are_certain_and_with_more_rows_they_would_not_be(threshold: float) -> None:
    bands = bands_for(threshold, 128)
    assert bands.bands * bands.rows <= 128
    assert bands.probability(threshold) >= 0.95
    more = bands.rows + 1
    assert more > 128 or Bands(128 // more, more).probability(threshold) < 0.95


def test_the_formula_tells_how_often_sets_share_a_key() -> None:
    bands, pairs = Bands(4, 3), 2000
    random = np.random.default_rng(0)
    one = random.integers(2**32, size=(pairs, 12), dtype=np.uint32)
    other = np.where(random.random(one.shape) < 0.7, one, one + np.uint32(1))
    shared = (bands.keys(one) == bands.keys(other)).any(axis=1).mean()
    expected = bands.probability(0.7)
    assert abs(shared - expected) < 4 * standard_error(expected, pairs)


def test_the_same_places_in_another_order_are_another_key() -> None:
    signatures = np.array([[1, 2, 2, 1]], np.uint32)
    left, right = Bands(2, 2).keys(signatures)[0]
    assert left != right
