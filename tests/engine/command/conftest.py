import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llmos.engine.command.inherited import LAUNCH, SESSION

UNWANTED = ("VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_EXE", "CONDA_ENVS_PATH", "CONDA_ENVS_DIRS")


@pytest.fixture(autouse=True)
def plain_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No environment is active, and the home folder is empty."""
    for name in UNWANTED:
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert not {"PATH", "HOME"} & {*SESSION, *LAUNCH}


@pytest.fixture
def executable() -> Callable[[Path, str], Path]:
    """Writes a shell script that can be started."""

    def write(path: Path, script: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return write


@pytest.fixture
def prefix(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a folder with a python in it, as an environment has."""

    def make(name: str) -> Path:
        folder = tmp_path / name
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").symlink_to(sys.executable)
        return folder

    return make
