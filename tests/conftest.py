"""The front door: `llmos …` as a person types it, on a state folder of its own."""

import contextlib
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmos.agents.node.task import descent
from llmos.agents.node.task.taskfolder import TaskFolder
from llmos.tests.nvml.standin import Standin

PATIENCE = 60.0
"""Seconds until what is waited for counts as missing; nothing here measures a time."""

LEFT_OUT = ("LLMOS_SCRIPTS_RUN", "NO_COLOR", "XDG_RUNTIME_DIR")


class FrontDoor:
    """Runs `python -m llmos`."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self._started: list[subprocess.Popen[str]] = []
        self.environment = {k: v for k, v in os.environ.items() if k not in LEFT_OUT}
        self.environment |= {
            "LLMOS_STATE": str(state),
            "VIRTUAL_ENV": sys.prefix,
            "LANG": "C.UTF-8",
            "COLUMNS": "80",
        }

    def command(self, *words: str) -> list[str]:
        """The words of the process."""
        return [sys.executable, "-m", "llmos", *words]

    def __call__(self, *words: str, code: int = 0, cwd: Path | None = None) -> str:
        """What it prints on stdout; it must end with `code`."""
        return self.run(*words, code=code, cwd=cwd).stdout

    def run(
        self, *words: str, code: int = 0, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The ended process, without a terminal; it must end with `code`."""
        done = subprocess.run(
            self.command(*words),
            env=self.environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    def error(self, *words: str, code: int) -> str:
        """What it says of an error: one line, and nothing on stdout."""
        done = self.run(*words, code=code)
        assert done.stdout == ""
        assert done.stderr.startswith("llmos: ")
        assert done.stderr.count("\n") == 1, done.stderr
        return done.stderr.removeprefix("llmos: ").strip()

    def start(self, *words: str) -> subprocess.Popen[str]:
        """The process, running, without a terminal."""
        process = subprocess.Popen(
            self.command(*words),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """End what was started."""
        for process in self._started:
            process.kill()
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


@pytest.fixture
def state() -> Iterator[Path]:
    """A state folder with a short path, as a socket needs; its agent and jobs are ended."""
    folder = Path(tempfile.mkdtemp(prefix="llmos-", dir="/tmp"))
    yield folder
    end_agent(folder)
    end_jobs(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def llmos(state: Path) -> Iterator[FrontDoor]:
    door = FrontDoor(state)
    yield door
    door.close()


@pytest.fixture
def standin(tmp_path: Path) -> Standin:
    return Standin.create(tmp_path / "nvml", gpus=8)


def end_agent(state: Path) -> None:
    """End the agent of a state folder, and wait for its end."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fspath(state / "agent.sock"))
        except OSError:
            return
        credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, _, _ = struct.unpack("3i", credentials)
    with contextlib.suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        try:
            os.kill(pid, signal.SIGTERM)
            if not select.select([process], [], [], PATIENCE)[0]:
                os.kill(pid, signal.SIGKILL)
        finally:
            os.close(process)


def end_jobs(state: Path) -> None:
    """End the shims of a state folder and what they own."""
    for folder in state.glob("run/*/a*"):
        now = TaskFolder(folder).read_state()
        if now is not None and now.state in ("starting", "running"):
            shim = descent.Process(now.shim, now.shim_ticks)
            if descent.status(shim.pid) is not None:
                descent.kill_below(shim.pid)
            descent.send(shim, signal.SIGKILL)
