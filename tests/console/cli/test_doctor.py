import json
from collections.abc import Callable
from pathlib import Path

import pytest

from llmos.console.cli import checks as checks_table
from llmos.console.cli import hostsettings, probes
from llmos.console.cli.invocation import Invocation
from llmos.tests.conftest import FrontDoor
from llmos.tests.nvml.standin import VERSION, Standin

Conforms = Callable[[object, str], None]


@pytest.fixture(autouse=True)
def _without_torch(llmos: FrontDoor, tmp_path: Path) -> None:
    """A doctor asks torch in a process of its own, which takes seconds: here it finds none."""
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "torch.py").write_text("raise ImportError('left out of this test')\n")
    llmos.environment["PYTHONPATH"] = str(hook)


def checks(llmos: FrontDoor, code: int) -> dict[str, dict[str, str]]:
    content = json.loads(llmos("doctor", "--json", code=code))
    return {check["name"]: check for check in content["checks"]}


def test_it_finds_the_driver_the_agent_and_what_is_bad(
    llmos: FrontDoor, standin: Standin, conforms: Conforms
) -> None:
    llmos.environment |= standin.environment()
    content = json.loads(llmos("doctor", "--json", code=1))
    conforms(content, "doctor")
    found = {check["name"]: check for check in content["checks"]}
    assert found["NVIDIA driver"]["text"] == f"{VERSION}, CUDA 13.0, 8 GPUs"
    assert found["CUDA in torch"]["state"] == "bad"
    assert "left out of this test" in found["CUDA in torch"]["text"]
    assert found["agent"]["state"] == "absent"
    assert {check["state"] for check in found.values()} <= {"ok", "warn", "bad", "absent"}
    assert not (llmos.state / "agent.sock").exists()

    llmos("jobs")
    assert checks(llmos, 1)["agent"]["state"] == "ok"


def test_a_broken_driver_is_bad_and_none_is_absent(llmos: FrontDoor, standin: Standin) -> None:
    absent = checks(llmos, 1)["NVIDIA driver"]
    assert (absent["state"], absent["text"]) == ("absent", "no NVIDIA driver on this host")
    standin.driver("550.10.01")
    llmos.environment |= standin.environment()
    bad = checks(llmos, 1)["NVIDIA driver"]
    assert bad["state"] == "bad"
    assert bad["advice"] == "reboot or reload the module"


def test_the_text_says_each_state_in_a_word_and_without_colour(llmos: FrontDoor) -> None:
    said = llmos("doctor", "--state", "/proc/llmos", code=1)
    assert "\x1b" not in said
    assert "bad    state folder   cannot write the state folder /proc/llmos" in said
    assert "ok     Python" in said


def test_what_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "DRIVER", "import time; time.sleep(600)")
    monkeypatch.setattr(probes, "DRIVER_SECONDS", 0.2)
    with pytest.raises(probes.Silent, match="the driver does not answer"):
        probes.ask_driver()
    monkeypatch.setattr(probes, "TORCH", "import os; os._exit(7)")
    with pytest.raises(probes.Silent, match="torch ended with exit code 7"):
        probes.ask_torch()


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        ({}, False),
        ({"etc/logind.conf": "[Login]\nKillUserProcesses=yes\n"}, True),
        ({"etc/logind.conf": "[Login]\n#KillUserProcesses=yes\n"}, False),
        (
            {
                "usr/logind.conf.d/a.conf": "[Login]\nKillUserProcesses=1\n",
                "etc/logind.conf.d/b.conf": "[Login]\nKillUserProcesses = no\n",
            },
            False,
        ),
    ],
)
def test_the_last_of_logind_s_files_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], kills: bool
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    folders = tuple(str(tmp_path / name) for name in ("usr", "etc"))
    monkeypatch.setattr(hostsettings, "LOGIND", tmp_path)
    monkeypatch.setattr(hostsettings, "LOGIND_FILES", folders)
    assert hostsettings.kills_user_processes() is kills


@pytest.fixture
def logind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a logind on this host, with these settings."""

    def configure(text: str) -> None:
        (tmp_path / "logind.conf").write_text(f"[Login]\n{text}\n")

    monkeypatch.setattr(hostsettings, "LOGIND", tmp_path)
    monkeypatch.setattr(hostsettings, "LOGIND_FILES", (str(tmp_path),))
    monkeypatch.setattr("os.getuid", lambda: 1000)
    monkeypatch.setattr(checks_table, "lingers", lambda: False)
    monkeypatch.delenv("LLMOS_LEASES", raising=False)
    return configure


@pytest.mark.parametrize(
    ("setting", "state"),
    [
        ("", "warn"),
        ("#RemoveIPC=yes", "warn"),
        ("#RemoveIPC=no", "ok"),
        ("#RemoveIPC=no\nRemoveIPC=yes", "warn"),
        ("RemoveIPC=no", "ok"),
    ],
)
def test_leases_that_logind_removes_are_said(
    logind: Callable[[str], None], setting: str, state: str
) -> None:
    logind(setting)
    found = checks_table.leases(Invocation())
    assert found.state == state
    assert ("RemoveIPC=no" in str(found.advice)) is (state == "warn")


def test_leases_that_logind_leaves_alone_are_not(
    logind: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    logind("RemoveIPC=yes")
    assert checks_table.leases(Invocation()).state == "warn"
    with monkeypatch.context() as with_linger:
        with_linger.setattr(checks_table, "lingers", lambda: True)
        assert checks_table.leases(Invocation()).state == "ok"
    with monkeypatch.context() as of_a_service:
        of_a_service.setattr("os.getuid", lambda: 999)
        assert checks_table.leases(Invocation()).state == "ok"
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("LLMOS_LEASES", str(tmp_path))
        assert checks_table.leases(Invocation()).text == f"in {tmp_path}"
    monkeypatch.setattr(hostsettings, "LOGIND", tmp_path / "none")
    assert checks_table.leases(Invocation()).state == "ok"
