"""A text in the person's editor."""

import os
from pathlib import Path

import pytest

from llmos.agents.errors import LlmosError
from llmos.console.forms.editor import edited


@pytest.fixture
def editor(tmp_path, monkeypatch):
    """Sets $EDITOR to a shell script of these lines; $1 is the file."""

    def make(lines: str) -> None:
        script = tmp_path / "my editor"
        script.write_text(f"#!/bin/sh\n{lines}\n")
        script.chmod(0o700)
        monkeypatch.delenv("VISUAL", raising=False)
        monkeypatch.setenv("EDITOR", f"'{script}'")

    return make


def test_what_is_written_comes_back_and_the_file_goes(editor, tmp_path):
    editor(f'echo "$1" > "{tmp_path}/seen"; echo more >> "$1"')
    assert edited("text\n", "train.toml") == "text\nmore\n"
    seen = Path((tmp_path / "seen").read_text().strip())
    assert seen.name == "train.toml"
    assert not seen.parent.exists()


@pytest.mark.parametrize(
    ("lines", "said"),
    [("exit 3", "ended with 3: nothing is changed"), ('rm "$1"', "left no text"),
     (r'printf "\377" > "$1"', "left no text")],
)  # fmt: skip
def test_an_editor_that_gives_up(editor, lines, said):
    editor(lines)
    with pytest.raises(LlmosError, match=said):
        edited("text", "train.toml")


@pytest.mark.parametrize(("name", "said"), [("/no/such", "set \\$EDITOR"), ("'", "quotation")])
def test_an_editor_that_cannot_be_started(monkeypatch, name, said):
    monkeypatch.setenv("VISUAL", name)
    with pytest.raises(LlmosError, match=said):
        edited("text", "train.toml")


def test_no_editor_at_all(monkeypatch, tmp_path):
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    with pytest.raises(LlmosError, match="no editor was found"):
        edited("text", "train.toml")
