"""Values as text and back, for each sort of type."""

import tomllib
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.console.forms.values import Shape, as_set, read, same, shape_of, toml, write

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@pytest.mark.parametrize(
    ("kind", "sort"),
    [
        (int, "number"), (float | None, "number"), (Annotated[float, msgspec.Meta(gt=0)], "number"),
        (str, "text"), (str | None, "text"), (bool, "choice"), (bool | None, "choice"),
        (Literal["a", "b"], "choice"), (list[str], "words"), (str | list[str], "words"),
        (list[Annotated[str, msgspec.Meta(min_length=1)]], "words"), (dict[str, str], "pairs"),
        (list[int], "toml"), (int | str, "toml"), (Any, "toml"), (dict[str, int], "toml"),
    ],
)  # fmt: skip
def test_each_type_has_its_way_of_typing(kind, sort):
    assert shape_of(kind).sort == sort


@pytest.mark.parametrize(
    ("shape", "text", "value"),
    [
        (Shape("number"), "1e-3", 0.001),
        (Shape("number"), " 12 ", 12),
        (Shape("number"), "fast", "fast"),
        (Shape("text"), "12", "12"),
        (Shape("text"), '""', ""),
        (Shape("text"), '"', '"'),
        (Shape("choice", (True, False)), "true", True),
        (Shape("choice", ("true", "auto")), "true", "true"),
        (Shape("words"), "--name 'a b'", ["--name", "a b"]),
        (Shape("words"), "[]", []),
        (Shape("words"), "[1, 2]", ["[1,", "2]"]),
        (Shape("words", single=True), "a.txt", "a.txt"),
        (Shape("words", single=True), "a.txt b.txt", ["a.txt", "b.txt"]),
        (Shape("words", single=True), '["a.txt"]', ["a.txt"]),
        (Shape("pairs"), "A=1 B='x y'", {"A": "1", "B": "x y"}),
        (Shape("toml"), "[1, 2]", [1, 2]),
    ],
)
def test_what_a_text_means(shape, text, value):
    assert same(read(shape, text), value)


@pytest.mark.parametrize(("sort", "text"), [("words", "a 'b"), ("pairs", "A=1 B"), ("pairs", "'")])
def test_a_text_that_is_not_whole_is_an_error(sort, text):
    with pytest.raises(ValueError, match=r"."):
        read(Shape(sort), text)


@given(TEXTS)
def test_a_text_comes_back(text):
    assert read(Shape("text"), write(Shape("text"), text)) == text


@given(TEXTS.filter(str.isprintable) | st.lists(TEXTS))
def test_words_come_back(value):
    shape = Shape("words", single=True)
    assert same(read(shape, write(shape, value)), value)


@given(st.dictionaries(TEXTS, TEXTS))
def test_pairs_come_back(value):
    assert read(Shape("pairs"), write(Shape("pairs"), value)) == value


NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=8,
)


@given(VALUES)
def test_toml_is_toml_on_one_line(value):
    text = toml(value)
    assert "\n" not in text
    assert same(tomllib.loads(f"value = {text}")["value"], value)
    assert same(as_set(text), value)
