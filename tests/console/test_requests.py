"""The words after `llmos run`, as the command line and the screen read them."""

import pytest

from llmos.agents.errors import SpecError, UsageError
from llmos.console.requests import requests_from_words


def test_an_example_with_values_set(tmp_path):
    (request,) = requests_from_words(
        ["@train-text", "--set", "train.steps=7", "--ranks", "1"], tmp_path
    )
    assert request.kind == "train"
    assert request.spec["train"]["steps"] == 7
    assert request.resources.ranks == 1


def test_a_script_keeps_its_own_words(tmp_path):
    (tmp_path / "fit.py").write_text("")
    (request,) = requests_from_words(["--ranks", "2", "--", "fit.py", "--set", "a"], tmp_path)
    assert request.kind == "command"
    assert request.program.arguments == [str(tmp_path / "fit.py"), "--set", "a"]
    assert request.resources.ranks == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "expected one spec"),
        (["a.toml", "b.toml"], "expected one spec"),
        (["@train-text", "--set"], "--set: expected a value after it"),
        (["@train-text", "--ranks", "two"], "--ranks: expected a whole number, got 'two'"),
        (["@train-text", "--rank", "2"], "unknown option --rank"),
        (["@train-text", "--", "fit.py"], "expected a spec or a script after --, got both"),
    ],
)
def test_words_that_are_off_are_told_in_one_line(words, said, tmp_path):
    with pytest.raises(UsageError, match=r"^[^\n]*$") as caught:
        requests_from_words(words, tmp_path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["@train-txt"], 'did you mean "train-text"'),
        (["missing.toml"], "no such file"),
        (["@train-text", "--set", "train.stepps=3"], "steps"),
        (["@train-text", "--ranks", "0"], "expected 1 to"),
        (["--", "missing.py"], "no such file"),
        (["--"], "expected a script"),
    ],
)
def test_a_spec_that_is_off_names_what_was_expected(words, said, tmp_path):
    with pytest.raises(SpecError, match=r"^[^\n]*$") as caught:
        requests_from_words(words, tmp_path)
    assert said in str(caught.value)
