"""Texts as runs of words, each a number."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.engine.data.shingles import WORD, shingles, words

ANY = st.text(st.characters())
"""With lone surrogates, which JSON can bring."""


@given(st.text(st.characters(max_codepoint=127)))
def test_the_quick_way_for_ascii_finds_the_same_words(text: str) -> None:
    assert words(text) == [word.encode() for word in WORD.findall(text.lower())]


def test_case_punctuation_white_space_and_forms_do_not_matter() -> None:
    # A ligature, full-width letters, and a letter with its accent apart.
    assert words("The  ﬁrst—\n\uff37\uff2f\uff32\uff24, cafe\u0301!") == words(
        "the first word café"
    )


@given(st.lists(ANY, max_size=6), st.integers(1, 6))
def test_a_text_has_the_same_shingles_in_any_block(texts: list[str], length: int) -> None:
    together, counts = shingles(texts, length)
    alone = [shingles([text], length)[0] for text in texts]
    assert [len(part) for part in alone] == counts.tolist()
    assert np.array_equal(together, np.concatenate([np.empty(0, np.uint64), *alone]))


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("...", 0), ("one", 1), ("one two three", 1), ("one two three four", 2)],
)
def test_short_texts(text: str, count: int) -> None:
    hashed, counts = shingles([text], 3)
    assert counts.tolist() == [count]
    assert len(hashed) == count


def test_runs_are_the_same_where_their_words_are_and_differ_by_order() -> None:
    (first, second, other), _ = shingles(["a b a b", "b a c"], 3)
    (again, swapped), _ = shingles(["a b a", "a a b"], 3)
    assert first == again
    assert len({first, second, other, swapped}) == 4


def test_another_process_finds_the_same() -> None:
    said = "from llmos.engine.data.shingles import shingles; print(shingles(['so it is'], 2)[0])"
    found = {
        subprocess.run(
            [sys.executable, "-c", said],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {f"{shingles(['so it is'], 2)[0]}\n".encode()}
