"""The kind `command`: a user's own script, found or refused before anything is started."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llmos.agents.errors import SpecError
from llmos.agents.protocol.jobs import Resources, Retry
from llmos.engine.command.spec import command_request
from llmos.engine.specs import request, validate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("print('hi')\n")
    (tmp_path / "empty").mkdir()
    # Its first page is mapped in no process: not even root can read it.
    (tmp_path / "unreadable.py").symlink_to("/proc/self/mem")
    return tmp_path


def asked(folder: Path, **tables: Any) -> Any:
    return request(validate({"kind": "command", **tables}), folder)


def test_a_script_runs_where_it_was_typed(folder: Path) -> None:
    wanted = command_request(
        ["train.py", "--lr", "1"], resources=Resources(ranks=2, gpus=0), folder=folder
    )
    assert wanted.kind == "command"
    assert wanted.name == "train"
    assert wanted.resources == Resources(ranks=2, gpus=0)
    assert wanted.program.arguments == [str(folder / "train.py"), "--lr", "1"]
    assert wanted.program.folder == str(folder)
    assert wanted.program.launcher == "torchrun"
    assert wanted.program.environment["PATH"] == os.environ["PATH"]
    assert request(validate(wanted.spec), Path("/")).program == wanted.program


def test_more_may_be_said_of_a_script_than_its_words(folder: Path) -> None:
    wanted = command_request(
        ["train.py"],
        resources=Resources(priority=3),
        folder=folder,
        command={"step_regex": r"(?P<step>\d+): (?P<loss>\S+)"},
        above={"after": ["7", "8:any"], "hold": True, "retry": {"max_attempts": 3}},
    )
    assert wanted.program.step_regex == r"(?P<step>\d+): (?P<loss>\S+)"
    assert (wanted.after, wanted.hold) == (["7", "8:any"], True)
    assert wanted.retry == Retry(max_attempts=3)
    assert wanted.resources.priority == 3
    assert wanted.array is None


def test_without_torch_a_script_is_started_all_the_same(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "v"], check=True)
    wanted = asked(folder, command={"script": "train.py"}, environment={"venv": "v"})
    assert (wanted.program.launcher, wanted.program.torch) == ("torchrun", None)


def test_a_module_needs_no_file(folder: Path) -> None:
    wanted = command_request(["-m", "package.train", "-x"], folder=folder)
    assert wanted.program.arguments == ["-m", "package.train", "-x"]
    assert wanted.name == "package"


@pytest.mark.parametrize("words", [[], ["-m"]])
def test_without_a_script_it_says_how_it_is_used(words: list[str]) -> None:
    with pytest.raises(SpecError, match="expected a script after --"):
        command_request(words)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"command": {"script": "trian.py"}}, r"no such file: .*trian\.py"),
        ({"command": {"script": "empty"}}, "expected a Python file"),
        ({"command": {"script": "unreadable.py"}}, r"cannot be read: .*unreadable\.py"),
        ({"command": {"script": "long" * 2000}}, "cannot be read: .*File name too long"),
        ({"command": {"script": "train.py/x"}}, "cannot be read: .*Not a directory"),
        ({"command": {}}, "missing, expected the path of a script"),
        ({"command": {"script": "train.py", "module": "train"}}, "got both"),
        ({"command": {"script": "train.py", "folder": "absent"}}, "no such folder"),
        (
            {"command": {"script": "train.py"}, "environment": {"python": "empty"}},
            "no interpreter that can be started",
        ),
        (
            {"command": {"script": "train.py", "launcher": "plain"}, "resources": {"ranks": 2}},
            'expected 1 with launcher = "plain", got 2',
        ),
        (
            {"command": {"script": "train.py"}, "environment": {"variables": {"HF_TOKEN": "x"}}},
            r"\$\.environment\.variables\.HF_TOKEN: looks like a secret",
        ),
        (
            {"command": {"script": "train.py", "step_regex": "(?P<loss"}},
            r"\$\.command\.step_regex: expected a regular expression: ",
        ),
        (
            {"command": {"script": "train.py", "step_regex": r"loss (\S+)"}},
            r"step_regex: expected named groups, as \(\?P<loss>",
        ),
        (
            {"command": {"script": "train.py"}, "environment": {"variables": {"A=B": "x"}}},
            "cannot name a variable",
        ),
    ],
)
def test_what_cannot_be_started_is_refused(
    folder: Path, tables: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        asked(folder, **tables)


def test_the_interpreter_is_the_shells(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    virtual = folder / "venv" / "bin"
    virtual.mkdir(parents=True)
    (virtual / "python").symlink_to(sys.executable)
    (virtual / "python3").symlink_to(sys.executable)
    monkeypatch.setenv("VIRTUAL_ENV", str(folder / "venv"))
    assert asked(folder, command={"script": "train.py"}).program.python == str(virtual / "python")
    monkeypatch.delenv("VIRTUAL_ENV")
    monkeypatch.setenv("PATH", str(virtual))
    assert asked(folder, command={"script": "train.py"}).program.python == str(virtual / "python3")
    monkeypatch.setenv("PATH", str(folder / "empty"))
    with pytest.raises(SpecError, match="no python3 on PATH"):
        asked(folder, command={"script": "train.py"})


def test_a_named_interpreter_is_kept(folder: Path) -> None:
    tables = {"command": {"script": "train.py"}, "environment": {"python": sys.executable}}
    assert asked(folder, **tables).program.python == sys.executable
