"""Held-out text never appears in training: checked on words, on paragraphs and on tokens."""

import random
from itertools import pairwise

import numpy as np
import pytest

from llmos.agents.errors import SpecError
from llmos.engine.train.split import WINDOW, paragraphs, split, windows
from llmos.engine.train.text import Documents, read_documents
from llmos.engine.train.tokenizer import encode, train_tokenizer

WORDS = [f"word{number}" for number in range(15)]


@pytest.fixture(scope="module")
def topics() -> Documents:
    return read_documents(["module:pydoc_data.topics"])


def made_up(seed: int, words: int = 60) -> str:
    dice = random.Random(seed)
    return "\n\n".join(" ".join(dice.choices(WORDS, k=words)) for _ in range(3))


@pytest.mark.parametrize("seed", range(4))
def test_the_parts_have_no_wording_in_common(topics: Documents, seed: int) -> None:
    parts = split(topics, 0.1, seed)
    seen = {window for text in parts.training for window in windows(text)}
    kept = {window for text in parts.held_out for window in windows(text)}
    assert len(kept) > 1000
    assert not seen & kept
    seen = {paragraph for text in parts.training for paragraph in paragraphs(text)}
    kept = {paragraph for text in parts.held_out for paragraph in paragraphs(text)}
    assert len(kept) > 100
    assert not seen & kept


def test_no_long_run_of_held_out_tokens_is_in_the_training_stream(topics: Documents) -> None:
    parts = split(topics, 0.1, 0)
    tokenizer = train_tokenizer(parts.training, 2048)
    run = 64
    seen, kept = (
        {
            stream[start : start + run].tobytes()
            for stream in map(np.array, [encode(tokenizer, texts)])
            for start in range(len(stream) - run)
        }
        for texts in (parts.training, parts.held_out)
    )
    assert len(kept) > 5000
    assert not seen & kept


def test_the_share_is_kept_and_the_rest_is_all_there(topics: Documents) -> None:
    parts = split(topics, 0.1, 0)
    total = sum(map(len, topics.values()))
    assert 0.05 * total < sum(map(len, parts.held_out)) <= 0.1 * total
    assert len(parts.training) + len(parts.held_out) == len(topics)
    assert sum(map(len, parts.training + parts.held_out)) > 0.97 * total


def test_it_is_the_same_wherever_the_text_lies() -> None:
    texts = [made_up(seed) for seed in range(30)]
    here = split({f"/here/{n}": text for n, text in enumerate(texts)}, 0.2, 0)
    there = split({f"/there/{99 - n}": text for n, text in enumerate(texts)}, 0.2, 0)
    assert here == there
    assert split({str(n): text for n, text in enumerate(texts)}, 0.2, 1) != here


def test_documents_that_share_wording_stay_together() -> None:
    shared = " ".join(WORDS[:WINDOW])
    chain = {f"chain {n}": f"{made_up(n)} {shared if n % 2 else ''}" for n in range(40)}
    for seed in range(5):
        parts = split(chain, 0.5, seed)
        with_it = [shared in text for text in parts.training]
        assert sum(with_it) in {0, 20}


def test_short_paragraphs_of_both_parts_are_left_to_the_held_out_one() -> None:
    documents = {str(n): f"{made_up(n)}\n\n   Example:\n\n{made_up(1000 + n)}" for n in range(30)}
    parts = split(documents, 0.2, 0)
    assert all("Example:" in text for text in parts.held_out)
    assert not any("Example:" in text for text in parts.training)


@pytest.mark.parametrize("gap", ["\n\n", "\n"])
def test_one_long_document_is_cut_into_pages(gap: str) -> None:
    text = gap.join(made_up(n, 20).replace("\n\n", " ") for n in range(300))
    parts = split({"book": text}, 0.2, 0)
    assert parts.held_out
    assert all(piece in text for piece in parts.held_out)
    assert sum(map(len, parts.held_out + parts.training)) == pytest.approx(len(text), rel=0.01)


@pytest.mark.parametrize("text", ["a few words", "the same line again\n" * 5000])
def test_text_of_which_nothing_can_be_kept_apart_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="to hold out 10% that training does not see"):
        split({"a": text}, 0.1, 0)


def test_windows_are_runs_of_words() -> None:
    words = [str(number) for number in range(WINDOW + 2)]
    runs = list(windows("  ".join(words)))
    assert len(runs) == 3
    assert all(later.split()[:-1] == earlier.split()[1:] for earlier, later in pairwise(runs))
