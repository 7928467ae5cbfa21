"""Text for training: every way in which it can be off is said by the file's name."""

import sys
from pathlib import Path

import pytest

from llmos.agents.errors import SpecError
from llmos.engine.train.text import read_documents, resolved_source


def test_files_globs_and_modules_are_documents(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("first")
    (tmp_path / "b.txt").write_text("\ufeffsecond, häh")
    (tmp_path / "c.md").write_text("third")
    source = resolved_source(["*.txt", "c.md", "module:pydoc_data.topics"], tmp_path)
    documents = read_documents(source)
    assert documents[str(tmp_path / "b.txt")] == "second, häh"
    assert len([name for name in documents if name.startswith("pydoc_data.topics:")]) > 50
    assert len([name for name in documents if name.startswith(str(tmp_path))]) == 3


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("absent.txt", r"no such file: .*absent\.txt"),
        ("*.absent", r"no file matches .*\*\.absent"),
        ("empty.txt", r"no text in .*empty\.txt"),
        ("blank.txt", r"no text in .*blank\.txt"),
        ("latin.txt", r"not UTF-8 at byte 4: .*latin\.txt"),
        ("folder", "expected a text file"),
        ("unreadable.txt", r"cannot be read: .*unreadable\.txt: Input/output error"),
        ("long" * 2000, "cannot be read: .*File name too long"),
        ("module:no_such_thing", "no module named 'no_such_thing'"),
        ("module:", "no module named ''"),
        ("module:../x", "no module named"),
        ("module:pydoc_data.nothing", r"module:pydoc_data\.nothing: No module named"),
        ("module:json.decoder", "holds no table of texts"),
    ],
)
def test_text_that_cannot_be_used_is_refused_by_name(
    tmp_path: Path, entry: str, message: str
) -> None:
    (tmp_path / "empty.txt").touch()
    (tmp_path / "blank.txt").write_text(" \n\n")
    (tmp_path / "latin.txt").write_bytes(b"caf \xe9")
    (tmp_path / "folder").mkdir()
    # Its first page is mapped in no process: not even root can read it.
    (tmp_path / "unreadable.txt").symlink_to("/proc/self/mem")
    with pytest.raises(SpecError, match=message) as caught:
        read_documents(resolved_source(entry, tmp_path))
    assert str(caught.value).startswith("$.train.data.source: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", ["", [], ["a.txt", ""]])
def test_no_source_is_refused(source: str | list[str], tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="expected paths of text files"):
        resolved_source(source, tmp_path)


def test_a_submitter_runs_no_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "harmful_texts.py").write_text("raise RuntimeError('was run')")
    monkeypatch.syspath_prepend(tmp_path)
    assert read_documents(["module:harmful_texts"], modules=False) == {}
    assert "harmful_texts" not in sys.modules
