"""Which documents say the same as an earlier one."""

import subprocess
import sys
from pydoc_data.topics import topics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.engine.data import nearduplicates
from llmos.engine.data.nearduplicates import Likeness, NearDuplicates, near_duplicates

TEXTS = [part for name in sorted(topics) for part in topics[name].split("\n\n")][:600]
ANY = st.lists(st.text(st.characters()), max_size=12)


def changed(text: str, *places: int) -> str:
    said = text.split()
    for place in places:
        said[place] = "somethingelse"
    return " ".join(said)


LONG = " ".join(f"word{number}" for number in range(200))
OTHER = " ".join(f"term{number}" for number in range(200))


def test_a_text_with_a_word_changed_goes_and_the_first_stays() -> None:
    found = near_duplicates([OTHER, LONG, changed(LONG, 50), changed(OTHER, 3), LONG.upper()])
    assert found.first.tolist() == [0, 1, 1, 0, 1]
    assert found.exact.tolist() == [False] * 5
    assert found.clusters() == [[0, 3], [1, 2, 4]]


def test_texts_that_have_little_in_common_stay() -> None:
    found = near_duplicates([LONG, changed(LONG, *range(0, 200, 10)), OTHER])
    assert found.stays.all()
    assert found.clusters() == []


def test_likeness_is_passed_on() -> None:
    chain = [changed(LONG, *range(0, 4 * step, 4)) for step in range(12)]
    ends = near_duplicates([chain[0], chain[-1]], Likeness(threshold=0.8))
    assert ends.stays.all()
    assert near_duplicates(chain, Likeness(threshold=0.8)).clusters() == [list(range(12))]


@given(ANY)
def test_the_same_text_is_one_cluster_whatever_it_is(texts: list[str]) -> None:
    found = near_duplicates(texts + texts)
    count = len(texts)
    assert np.array_equal(found.first[:count], found.first[count:])
    assert found.exact[count:].all()
    assert (found.first <= np.arange(2 * count)).all()
    assert np.array_equal(found.first[found.first], found.first)


@given(st.lists(st.integers(1, 200), max_size=8))
def test_blocks_change_nothing(sizes: list[int]) -> None:
    texts = TEXTS[:100] + [changed(text, 0) for text in TEXTS[:100] if len(text.split()) > 30]
    blocks = NearDuplicates()
    at = 0
    for size in [*sizes, len(texts)]:
        blocks.add(texts[at : at + size])
        at += size
    whole = near_duplicates(texts)
    assert np.array_equal(blocks.found().first, whole.first)
    assert not whole.stays.all()


@pytest.mark.parametrize("piece", [1, 1000, 10**9])
def test_how_much_is_held_at_once_changes_nothing(
    piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = near_duplicates(TEXTS).first
    monkeypatch.setattr(nearduplicates, "PIECE", piece)
    monkeypatch.setattr(nearduplicates, "PAIRS", 7)
    assert np.array_equal(near_duplicates(TEXTS).first, before)


def test_all_candidates_of_a_pair_by_pair_comparison_are_found() -> None:
    texts = [changed(LONG, at) for at in range(0, 200, 5)] + TEXTS[:200]
    found = near_duplicates(texts)
    assert set(found.first[:40].tolist()) == {0}
    sets = [frozenset(text.lower().split()) for text in texts]
    for number in np.flatnonzero(~found.stays)[40:]:
        assert sets[number] & sets[found.first[number]]


def test_documents_without_words_are_only_ever_the_same_text() -> None:
    found = near_duplicates(["", "...", "", "!!!", "\ud800", "\ud800"])
    assert found.first.tolist() == [0, 1, 0, 3, 4, 4]
    assert found.exact.tolist() == [False, False, True, False, False, True]


def test_documents_of_one_word() -> None:
    found = near_duplicates(["yes", "Yes!", "no", "yes no"])
    assert found.first.tolist() == [0, 0, 2, 3]


def test_nothing() -> None:
    found = NearDuplicates().found()
    assert len(found.first) == len(found.exact) == 0
    assert found.clusters() == []


def test_more_can_come_after_an_answer() -> None:
    taken = NearDuplicates()
    taken.add([LONG])
    assert taken.found().first.tolist() == [0]
    taken.add([changed(LONG, 9)])
    assert taken.found().first.tolist() == [0, 0]


def test_a_document_of_a_megabyte() -> None:
    long = " ".join(f"w{number}" for number in range(150_000))
    assert len(long) > 1_000_000
    found = near_duplicates([long, "short", changed(long, 77_777), long[: len(long) // 2]])
    assert found.first.tolist() == [0, 1, 0, 3]


def test_torch_is_not_imported() -> None:
    said = "import sys, llmos.engine.data.nearduplicates; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
