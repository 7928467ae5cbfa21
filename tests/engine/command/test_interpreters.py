"""Whose Python it is, and what stands in it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llmos.agents.errors import SpecError
from llmos.engine.command import interpreters
from llmos.engine.command.interpreters import ask, shell_python

Executable = Callable[[Path, str], Path]
Prefix = Callable[[str], Path]


def test_an_active_environment_comes_before_conda_and_both_before_path(
    tmp_path: Path, prefix: Prefix
) -> None:
    venv, conda, plain = prefix("venv"), prefix("conda"), prefix("plain")
    (plain / "bin" / "python3").symlink_to(sys.executable)
    variables = {
        "VIRTUAL_ENV": str(venv),
        "CONDA_PREFIX": str(conda),
        "PATH": f"{plain}/bin:{os.environ['PATH']}",
    }
    assert shell_python(variables, tmp_path) == str(venv / "bin/python")
    del variables["VIRTUAL_ENV"]
    assert shell_python(variables, tmp_path) == str(conda / "bin/python")
    variables["CONDA_PREFIX"] = str(tmp_path / "removed")
    assert shell_python(variables, tmp_path) == str(plain / "bin/python3")


def test_a_shim_is_followed_as_its_folder_says(tmp_path: Path, executable: Executable) -> None:
    chosen = tmp_path / "versions" / "python3"
    chosen.parent.mkdir()
    chosen.symlink_to(sys.executable)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / ".python-version").write_text(str(chosen))
    executable(tmp_path / "shims" / "python3", 'exec "$(cat .python-version)" "$@"')
    variables = {"PATH": f"{tmp_path}/shims:{os.environ['PATH']}"}
    assert shell_python(variables, tmp_path / "project") == str(chosen)
    assert shell_python(variables, tmp_path) == str(tmp_path / "shims" / "python3")


def test_without_any_python_it_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no python3 on PATH; name an interpreter"):
        shell_python({"PATH": str(tmp_path)}, tmp_path)


def test_torch_is_found_where_a_job_would_find_it_and_not_imported(tmp_path: Path) -> None:
    torch = tmp_path / "packages" / "torch"
    torch.mkdir(parents=True)
    (torch / "__init__.py").write_text("raise SystemExit('imported')")
    (torch / "version.py").write_text("from typing import Any\n__version__ = '9.8.7+cu1'\n")
    variables = dict(os.environ) | {"PYTHONPATH": str(torch.parent)}
    found = ask(sys.executable, variables, tmp_path)
    assert found is not None
    assert found.torch == "9.8.7+cu1"
    (torch / "version.py").unlink()
    variables["PYTHONPATH"] += ":"  # asked anew
    found = ask(sys.executable, variables, tmp_path)
    assert found is not None
    assert found.torch is None


def test_modules_in_the_working_folder_are_none_of_the_interpreters(tmp_path: Path) -> None:
    for name in ("json", "types", "torch"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
    found = ask(sys.executable, dict(os.environ), tmp_path)
    assert found is not None
    assert found.is_own
    assert found.torch == ask(sys.executable, dict(os.environ), Path("/")).torch  # type: ignore[union-attr]


def test_an_environment_of_its_own_is_not_ours(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "v"], check=True)
    found = ask(str(tmp_path / "v/bin/python"), dict(os.environ), tmp_path)
    assert found is not None
    assert found.prefix == str(tmp_path / "v")
    assert not found.is_own
    assert found.torch is None


def test_what_prepares_the_shell_comes_first(tmp_path: Path, executable: Executable) -> None:
    executable(tmp_path / "bin" / "python9", f'exec {sys.executable} "$@"')
    setup = f"echo hello\nexport PATH={tmp_path}/bin:$PATH"
    assert ask("python9", dict(os.environ), tmp_path, setup) is not None
    assert ask("python9", dict(os.environ), tmp_path) is None


@pytest.mark.parametrize(
    "script", ["exit 3", "echo hello", "echo '[1]'", "exec sleep 600", "printf '\\377'"]
)
def test_one_that_does_not_say_is_not_known(
    tmp_path: Path, executable: Executable, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(interpreters, "PATIENCE", 0.3)
    odd = executable(tmp_path / "python", script)
    assert ask(str(odd), dict(os.environ), tmp_path) is None
    assert ask(str(tmp_path / "absent"), dict(os.environ), tmp_path) is None
