"""The tokenizer: whatever goes in comes out the same, and an end mark in a text is text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from llmos.engine.train.tokenizer import END, encode, train_tokenizer

TEXTS = ["the cat sat on the mat, the cat sat", "on the mat the dog ate the cat's food"] * 5
SMALL = train_tokenizer(TEXTS, 280)


def test_its_size_is_bounded_and_its_training_repeats() -> None:
    assert SMALL.get_vocab_size() <= 280
    assert train_tokenizer(TEXTS, 280).to_str() == SMALL.to_str()
    assert len(SMALL.encode("the cat").ids) < len("the cat")


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")).filter(lambda text: END not in text))
def test_any_text_comes_back(text: str) -> None:
    assert SMALL.decode(SMALL.encode(text).ids) == text


def test_documents_are_divided_by_end_marks() -> None:
    end = SMALL.token_to_id(END)
    stream = encode(SMALL, ["the", "cat"]).tolist()
    assert stream[0] == stream[-1] == end
    assert stream.count(end) == 3


@pytest.mark.parametrize("text", [END, f"a {END} b"])
def test_an_end_mark_that_somebody_wrote_is_text(text: str) -> None:
    stream = encode(SMALL, [text]).tolist()
    assert stream.count(SMALL.token_to_id(END)) == 2
    assert SMALL.decode(stream[1:-1]) == text


def test_a_copy_from_its_file_makes_the_same_tokens(tmp_path: object) -> None:
    path = f"{tmp_path}/tokenizer.json"
    SMALL.save(path)
    assert Tokenizer.from_file(path).encode(TEXTS[0]).ids == SMALL.encode(TEXTS[0]).ids
