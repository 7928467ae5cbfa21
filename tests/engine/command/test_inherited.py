"""What of a shell's variables reaches a job."""

import json
import os

import msgspec
import pytest

from llmos.engine.command.inherited import inherited, of_this_process


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "LD_LIBRARY_PATH", "HF_HOME", "CUDA_HOME", "WANDB_MODE", "https_proxy"),
        *("HF_TOKEN", "XDG_CACHE_HOME", "OMP_NUM_THREADS", "VIRTUAL_ENV", "NCCL_DEBUG"),
    ],
)
def test_what_a_script_works_with_goes_along(name: str) -> None:
    assert inherited({name: "x"}) == {name: "x"}


@pytest.mark.parametrize(
    "name",
    [
        *("TERM", "SHLVL", "PWD", "OLDPWD", "_", "SSH_AUTH_SOCK", "TMUX", "TMUX_PANE", "DISPLAY"),
        *("XDG_SESSION_ID", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "LS_COLORS", "PS1"),
        *("COLUMNS", "LINES", "LLMOS_STATE", "LLMOS_TASK", "VSCODE_IPC_HOOK_CLI"),
        *("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "TORCHELASTIC_RUN_ID", "PET_NNODES"),
        "CUDA_VISIBLE_DEVICES",
    ],
)
def test_what_is_the_terminals_or_the_launchs_stays_behind(name: str) -> None:
    assert inherited({name: "x"}) == {}


@pytest.mark.parametrize(
    "name", ["PATH", "HOME", "PYTHONPATH", "LD_PRELOAD", "CONDA_PREFIX", "BASH_FUNC_module%%"]
)
def test_paths_of_the_host_do_not_enter_a_container(name: str) -> None:
    assert inherited({name: "x", "HF_TOKEN": "y"}, container=True) == {"HF_TOKEN": "y"}


def test_what_is_not_text_does_not_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environb, b"ODD", b"caf\xe9")
    monkeypatch.setenv("EVEN", "café")
    variables = of_this_process()
    assert "ODD" not in variables
    assert json.loads(msgspec.json.encode(variables))["EVEN"] == "café"
