"""The table `[environment]`: checked, made definite, and what a program gets of it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmos.agents.errors import SpecError
from llmos.agents.protocol.jobs import Program
from llmos.engine.specs import request, validate

Executable = Callable[[Path, str], Path]
Prefix = Callable[[str], Path]

PROFILE = """
export PATH=/usr/bin:/bin
module() {
    [ "$1 $2" = "load absent/1" ] && { echo "cannot find absent/1" >&2; return 1; }
    export PATH="$HOME/modules/$2:$PATH" LOADED="$LOADED $2"
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    (work / "train.py").touch()
    return work


def program(folder: Path, command: dict[str, Any] | None = None, **environment: Any) -> Program:
    table = {
        "kind": "command",
        "command": {"script": "train.py", **(command or {})},
        "environment": environment,
    }
    asked = request(validate(table), folder)
    again = request(validate(asked.spec), Path("/"))
    assert again.program == asked.program, "a resolved spec means the same from anywhere"
    return asked.program


def run_after(found: Program, *words: str) -> str:
    """What a command says in the program's environment, started as a rank's is."""
    command = ["bash", "-lc", f'{found.setup}\nexec "$@"', "bash", *words]
    return subprocess.run(
        command, env=found.environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_submitters_variables_go_along_and_the_specs_come_on_top(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("NCCL_DEBUG", "WARN")
    monkeypatch.setenv("SHLVL", "7")
    found = program(folder, variables={"NCCL_DEBUG": "INFO"})
    assert found.environment["HF_TOKEN"] == "secret"
    assert found.environment["NCCL_DEBUG"] == "INFO"
    assert "SHLVL" not in found.environment
    assert (found.prefix, found.setup) == ([], None)


def test_a_virtual_environment_is_as_if_activated(
    folder: Path, prefix: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = prefix("old"), prefix("work/new")
    monkeypatch.setenv("VIRTUAL_ENV", str(old))
    monkeypatch.setenv("VIRTUAL_ENV_PROMPT", "old")
    monkeypatch.setenv("PYTHONHOME", "")
    monkeypatch.setenv("PATH", f"{old}/bin:/usr/bin:/bin")
    found = program(folder, venv="new")
    assert found.python == str(new / "bin/python")
    assert found.environment["VIRTUAL_ENV"] == str(new)
    assert found.environment["PATH"] == f"{new}/bin:/usr/bin:/bin"
    assert not {"VIRTUAL_ENV_PROMPT", "PYTHONHOME"} & found.environment.keys()


def test_a_conda_environment_is_as_if_activated(
    folder: Path, prefix: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, mine = prefix("root"), prefix("root/envs/mine")
    monkeypatch.setenv("CONDA_EXE", str(root / "bin/conda"))
    monkeypatch.setenv("CONDA_PREFIX", str(root))
    monkeypatch.setenv("CONDA_DEFAULT_ENV", "base")
    monkeypatch.setenv("PATH", f"{root}/bin:/usr/bin:/bin")
    for asked in ("mine", str(mine)):
        found = program(folder, conda=asked)
        assert found.python == str(mine / "bin/python")
        assert found.environment["CONDA_PREFIX"] == str(mine)
        assert found.environment["CONDA_DEFAULT_ENV"] == asked
        assert found.environment["PATH"] == f"{mine}/bin:/usr/bin:/bin"


def test_modules_are_loaded_on_top_of_the_submitters_path(
    folder: Path, executable: Executable, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(os.environ["HOME"])
    (home / ".bash_profile").write_text(PROFILE)
    brought = executable(home / "modules" / "python/3" / "python3", f'exec {sys.executable} "$@"')
    monkeypatch.setenv("PATH", f"/mine with space:{os.environ['PATH']}")
    found = program(folder, modules=["cuda/12.4", "python/3"])
    assert brought.exists()
    assert found.python == sys.executable, "the interpreter that the modules brought"
    assert run_after(found, "sh", "-c", "echo $LOADED") == "cuda/12.4 python/3"
    path = run_after(found, "sh", "-c", "echo $PATH").split(":")
    assert path[:3] == [f"{home}/modules/python/3", f"{home}/modules/cuda/12.4", "/mine with space"]


def test_an_environment_comes_ahead_of_its_modules(folder: Path, prefix: Prefix) -> None:
    home = Path(os.environ["HOME"])
    (home / ".bash_profile").write_text(PROFILE)
    venv = prefix("work/venv")
    found = program(folder, venv="venv", modules=["cuda/12.4"])
    assert found.python == str(venv / "bin/python")
    path = run_after(found, "sh", "-c", "echo $PATH").split(":")
    assert path[:2] == [f"{venv}/bin", f"{home}/modules/cuda/12.4"]


def test_a_module_that_cannot_be_loaded_ends_it(folder: Path) -> None:
    (Path(os.environ["HOME"]) / ".bash_profile").write_text(PROFILE)
    with pytest.raises(SpecError, match=r"\$\.environment\.modules: .*`module load absent/1`"):
        program(folder, modules=["absent/1"])
    found = program(folder, python=sys.executable, modules=["absent/1"])
    with pytest.raises(subprocess.CalledProcessError) as ended:
        run_after(found, "echo", "started")
    assert (ended.value.returncode, ended.value.stdout) == (1, "")


def test_in_a_container_the_hosts_paths_mean_nothing(
    folder: Path, tmp_path: Path, executable: Executable, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(tmp_path / "bin" / "apptainer", "")
    (folder / "x.sif").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", "/mine")
    monkeypatch.setenv("WANDB_MODE", "offline")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "t.py").touch()
    script = {"script": str(tmp_path / "elsewhere" / "t.py")}
    found = program(folder, script, container="x.sif")
    assert found.python == "python3"
    assert found.prefix[:2] == [str(tmp_path / "bin/apptainer"), "exec"]
    assert found.prefix[-1] == str(folder / "x.sif")
    assert f"--bind={tmp_path}/elsewhere:{tmp_path}/elsewhere" in found.prefix
    assert found.environment["WANDB_MODE"] == "offline"
    assert found.environment["PYTHONPATH"] == ""
    assert "PATH" not in found.environment
    assert found.torch is None
    assert program(folder, container="x.sif", python="/opt/python").python == "/opt/python"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"python": "/p", "venv": "v"}, r"\$\.environment: expected one interpreter, got python"),
        ({"venv": "v", "conda": "c"}, "expected one interpreter, got venv and conda"),
        ({"venv": "v", "container": "x"}, "expected one interpreter, got venv and container"),
        ({"container": "x", "modules": ["a"]}, r"modules: expected none with a container"),
        ({"runtime": "podman"}, r"runtime: expected an image as container"),
        ({"runtime": "docker"}, r'runtime: expected one of "apptainer", .*got "docker"'),
        ({"venv": "absent"}, r"venv: no virtual environment with a python: .*/absent"),
        ({"conda": "absent"}, r"conda: "),
        ({"modules": ["a; rm -r"]}, r'modules\[0\]: expected text as .* got "a; rm -r"'),
        ({"modules": ["ok", "a\n"]}, r"modules\[1\]: expected text as"),
        ({"modules": ["-f"]}, r"modules\[0\]: "),
        ({"modules": [7]}, r"modules\[0\]: .* got 7"),
        ({"variables": {"API_KEY": "x"}}, r"variables\.API_KEY: looks like a secret"),
        ({"moduls": []}, r'moduls: unknown key, did you mean "modules"'),
    ],
)
def test_what_contradicts_itself_or_is_not_there_is_refused(
    folder: Path, environment: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        program(folder, **environment)


def test_warm_is_for_the_interpreter_of_llmos(folder: Path) -> None:
    warm = {"warm": True}
    found = program(folder, warm, python=sys.executable)
    assert (found.warm, found.python) == (True, None)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "v"], check=True)
    with pytest.raises(SpecError, match=r"\$\.command\.warm: .*/v/bin/python; leave warm out"):
        program(folder, warm, venv="v")
    with pytest.raises(SpecError, match=r"\$\.command\.warm: "):
        program(folder, warm, python=sys.executable, modules=["a"])
