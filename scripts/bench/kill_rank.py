"""What each rank of the kill campaign runs: it prints numbered lines, and says in a folder of the
campaign, of which llmos knows nothing, when it began and how it is about to end.

Run by path; the standard library only, and torch where it is asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

TRUTH = "KILL_CAMPAIGN_TRUTH"
LONG = 100
"""Times the steps of others, for a rank that waits until the failure of another ends it."""

SLEEPER = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


class Truth:
    """What this rank says to the campaign."""

    def __init__(self) -> None:
        self.rank = int(os.environ.get("RANK", "0"))
        attempt = f"a{os.environ['LLMOS_ATTEMPT']}"
        folder = Path(os.environ[TRUTH], os.environ["LLMOS_JOB"], attempt)
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"rank-{self.rank}"

    def note(self, what: str, **said: object) -> None:
        """Append a line in one write."""
        line = json.dumps({"what": what, "rank": self.rank, "time": time.time(), **said}) + "\n"
        target = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(target, line.encode())
        os.close(target)

    def note_process(self, what: str, pid: int) -> None:
        """Say that there is a process, which a start time names beyond doubt."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        self.note(what, pid=pid, ticks=int(fields[19]))


def say(number: int | str) -> None:
    """Print a whole line, on a disk that is full for a while, too."""
    rest = f"line {number}\n".encode()
    while rest:
        try:
            rest = rest[os.write(1, rest) :]
        except OSError:
            time.sleep(0.05)


def escape(truth: Truth) -> None:
    """Start what commonly outlives a job, in five ways."""
    environment = {"PATH": os.environ["PATH"]}
    silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    command = [sys.executable, "-S", "-E", "-c", SLEEPER]
    new_session = subprocess.Popen(command, start_new_session=True, **silent)  # type: ignore[call-overload]
    truth.note_process("escapee", new_session.pid)
    clean = subprocess.Popen(command, env=environment, cwd="/", stderr=subprocess.DEVNULL, **silent)  # type: ignore[call-overload]
    truth.note_process("escapee", clean.pid)
    for _ in range(2):
        _forked(truth, lambda: _sleep(os.getppid()))
    _forked(truth, lambda: _double(truth, command, environment))


def _forked(truth: Truth, become: Callable[[], NoReturn]) -> None:
    """A fork that imports nothing anew, as a data loader's worker is."""
    pid = os.fork()
    if pid == 0:
        become()
    truth.note_process("escapee", pid)


def _sleep(parent: int) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
    os._exit(0)


def _double(truth: Truth, command: list[str], environment: dict[str, str]) -> NoReturn:
    """A daemon as the book has it: session, fork, another environment, nothing open."""
    os.setsid()
    if os.fork() == 0:
        truth.note_process("escapee", os.getpid())
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.closerange(3, 256)
        os.chdir("/")
        os.execve(command[0], command, environment)
    os._exit(0)


def reduction() -> Callable[[], object]:
    """A step over all ranks, whose sum is looked at."""
    import torch
    import torch.distributed as dist

    dist.init_process_group("gloo")
    expected = sum(range(1, dist.get_world_size() + 1))

    def step() -> None:
        total = torch.ones(1000) * (dist.get_rank() + 1)
        dist.all_reduce(total)
        if total[7].item() != expected:
            raise ValueError(f"the sum is {total[7].item()}, not {expected}")

    return step


def on_sigterm(how: str, truth: Truth) -> None:
    """Die of it, end well or take no notice."""

    def tidy(*_: object) -> NoReturn:
        say("last")
        truth.note("ends", code=0)
        os._exit(0)

    if how != "die":
        signal.signal(signal.SIGTERM, signal.SIG_IGN if how == "ignore" else tidy)


def main() -> None:
    """Live as told, then end as told."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--every", type=float, default=0.05)
    parser.add_argument("--code", type=int, default=0)
    parser.add_argument("--failing-rank", type=int)
    parser.add_argument("--raises", action="store_true")
    parser.add_argument("--gloo", action="store_true")
    parser.add_argument("--escapees", action="store_true")
    parser.add_argument("--sigterm", choices=("die", "tidy", "ignore"), default="die")
    given = parser.parse_args()
    truth = Truth()
    truth.note_process("born", os.getpid())
    gpus, port = os.environ.get("CUDA_VISIBLE_DEVICES", ""), int(os.environ["MASTER_PORT"])
    truth.note("has", gpus=[gpu for gpu in gpus.split(",") if gpu], port=port)
    on_sigterm(given.sigterm, truth)
    if given.escapees:
        escape(truth)
    step = reduction() if given.gloo else (lambda: None)
    waits = given.failing_rank not in (None, truth.rank)
    for number in range(given.steps * (LONG if waits else 1)):
        say(number)
        step()
        time.sleep(given.every)
    fails = given.failing_rank == truth.rank
    code = given.code if fails else 0
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what it says next, it shall keep to
    say("last")
    truth.note("ends", code=code)
    if given.raises and fails:
        raise ValueError("as asked")
    sys.exit(code)


if __name__ == "__main__":
    main()
