"""Completion of file names."""

import shlex

import pytest

from llmos.console.forms.paths import completions


@pytest.fixture
def folder(tmp_path):
    for name in ("fit.py", "fit big.py", "fit.txt", "spec.toml", ".hidden.py", "data/one.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("fi", [r"fit\ big.py", "fit.py"]),
        ("s", ["spec.toml"]),
        ("d", ["data/"]),
        (".h", [".hidden.py"]),
        ("data/", []),
        ("fit.py fit.t", ["fit.py fit.txt"]),
        ("-- fit.", ["-- fit.py"]),
        (r"fit\ b", [r"fit\ big.py"]),
        ("fit.py data/o", ["fit.py data/one.txt"]),
        ("", []), ("fit.py ", []), ("nowhere/x", []), ("'fit", []),
    ],
)  # fmt: skip
def test_the_last_word_is_completed(folder, line, found):
    assert completions(line, folder) == found


def test_a_completed_word_is_one_word(folder):
    assert shlex.split(completions("fit\\ ", folder)[0]) == ["fit big.py"]


def test_a_path_may_start_at_the_root(folder):
    assert completions(f"{folder}/sp", folder.parent) == [f"{folder}/spec.toml"]
