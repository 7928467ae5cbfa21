"""Where a measurement takes place: eight GPUs of the NVML stand-in, an empty home, the helpers."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from llmos.scripts.bench import processes
from llmos.scripts.bench.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmos.scripts.bench.programs import Helper, Program

FIRST_FIGURES_SECONDS: Final = 1.0
STANDIN: Final = Path(__file__).parents[2] / "tests/nvml/standin.py"
PASSED: Final = ("PATH", "PYTHONPATH")
"""What programs see of this session; PYTHONPATH may choose the llmos that is measured."""

START_SECONDS: Final = 20.0
END_SECONDS: Final = 10.0


class Stage:
    """A folder, the environment that programs see, and what was started in it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.state = folder / "state"

    def terminal(self, program: Program, columns: int, lines: int) -> Terminal:
        """Start a program on a terminal."""
        return Terminal(program.command, self.environment, columns, lines)

    @contextlib.contextmanager
    def helpers(self, program: Program) -> Iterator[dict[str, int]]:
        """Run what the program needs beside it, by name; each answers before the next starts."""
        started: dict[str, subprocess.Popen[bytes]] = {}
        try:
            for helper in program.helpers:
                started[helper.name] = self._start(helper)
                self._wait(helper, started[helper.name])
            yield {name: process.pid for name, process in started.items()}
        finally:
            for process in reversed(started.values()):
                _end(process)

    def end_detached(self) -> None:
        """End the agents that a console started here: they outlive it."""
        for pid in processes.with_argument(str(self.state)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + END_SECONDS
        while processes.with_argument(str(self.state)) and time.monotonic() < until:
            time.sleep(0.05)

    def _start(self, helper: Helper) -> subprocess.Popen[bytes]:
        command = [self._filled(word) for word in helper.command]
        with (self.folder / f"{helper.name}.log").open("ab") as log:
            return subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _wait(self, helper: Helper, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + START_SECONDS
        while not _answers(self._filled(helper.answers)):
            if process.poll() is not None or time.monotonic() > until:
                said = (self.folder / f"{helper.name}.log").read_text(errors="replace")
                raise SystemExit(f"{helper.name} does not answer: {said[-2000:]}")
            time.sleep(0.05)

    def _filled(self, word: str) -> str:
        return word.format(folder=self.folder, state=self.state)


@contextlib.contextmanager
def stage(gpus: int = 8, *, still: bool = False) -> Iterator[Stage]:
    """A stage whose GPUs' figures move once a second, or stand still.

    The stand-in reads its whole state again after each move, on the threads of who asks it: a cost
    that is its own, and no driver's.
    """
    with tempfile.TemporaryDirectory(prefix="llmos-bench-") as name:
        folder = Path(name)
        for inner in ("home", "state", "nvml"):
            (folder / inner).mkdir(mode=0o700)
        token = folder / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_urlsafe(32) + "\n")
        command = [sys.executable, str(STANDIN), str(folder / "nvml"), "--gpus", str(gpus)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as standin:
            try:
                variables = _variables(standin)
                if still:
                    time.sleep(FIRST_FIGURES_SECONDS)
                    standin.send_signal(signal.SIGSTOP)
                yield Stage(folder, _environment(folder) | variables)
            finally:
                standin.terminate()
                standin.send_signal(signal.SIGCONT)


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of this session's own, so that settings and colours are each program's default."""
    passed = {name: os.environ[name] for name in PASSED if name in os.environ}
    return passed | {
        "HOME": str(folder / "home"),
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LANG": "C.UTF-8",
        "LLMOS_STATE": str(folder / "state"),
        "NO_PROXY": "127.0.0.1",
    }


def _variables(standin: subprocess.Popen[str]) -> dict[str, str]:
    assert standin.stdout is not None
    lines = [standin.stdout.readline().removeprefix("export ") for _ in range(2)]
    pairs = (line.partition("=") for line in lines)
    return {name: shlex.split(value)[0] for name, _, value in pairs}


def _answers(address: str) -> bool:
    family = socket.AF_INET if address.isdecimal() else socket.AF_UNIX
    with socket.socket(family) as probe:
        try:
            probe.connect(("127.0.0.1", int(address)) if address.isdecimal() else address)
        except OSError:
            return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
