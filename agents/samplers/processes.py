"""Processes: those alone that a GPU's driver or a job names, never all there are.

They are read on a thread of their own, because /proc/PID/cmdline waits for a lock of the process:
one that hangs in the driver may hold it for ever.
"""

import os
import pwd
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from time import monotonic
from typing import TYPE_CHECKING, Final

from ..protocol.facts import Collector, Detail, NodeFacts, Process
from . import hardware
from .sampler import Reading

if TYPE_CHECKING:
    from .gpu_processes import GpuProcess

INTERVAL: Final = 30.0
WATCHED_INTERVAL: Final = 1.0
EMPTY_INTERVAL: Final = 0.5
"""While none is known: the first one is seen at once."""

WATCHED_SECONDS: Final = 5.0
"""For so long after it was asked for, the detail is kept fresh."""

OVERDUE: Final = 5.0
COMMAND_SECONDS: Final = 10.0
"""A command line is read again after this: a launcher's child bears its parent's at first."""

LONGEST_COMMAND: Final = 512
TICKS: Final = os.sysconf("SC_CLK_TCK")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
BYTES_IN_MIB: Final = 1 << 20

OWNER: Final = re.compile(rb"^Uid:\t(\d+)", re.MULTILINE)
UTIME, STIME, STARTED, PAGES = 11, 12, 19, 21
"""Positions in /proc/PID/stat behind the name, which may itself hold blanks and brackets."""


@dataclass(slots=True)
class Known:
    """What was last read of one process."""

    started: int
    """Ticks since the host's start."""

    ticks: int
    """Of processor time."""

    read_at: float
    pages: int
    cpu: float | None = None
    user: str | None = None
    command: str | None = None
    command_due: float = 0.0


class ProcessSampler:
    """The sampler of processes."""

    name = "processes"

    def __init__(
        self,
        gpu_processes: Callable[[], "Iterable[tuple[int, GpuProcess]]"],
        job_processes: Callable[[], Mapping[int, tuple[str, int]]],
    ) -> None:
        """Both are called from a thread.

        `gpu_processes` gives each with the row of its GPU, `job_processes` job and rank by pid.
        """
        self._gpu_processes, self._job_processes = gpu_processes, job_processes
        self._known: dict[int, Known] = {}
        self._ended: set[int] = set()
        self._processes: list[Process] = []
        self._watched_until = 0.0
        self._began: float | None = None
        self._failure: str | None = None
        self._asked = threading.Event()
        self._closed = False
        threading.Thread(target=self._run, name="processes", daemon=True).start()

    def sample(self, reading: Reading) -> None:
        """Nothing: processes are detail."""

    def facts(self, facts: NodeFacts) -> None:
        """Nothing: processes are detail."""

    def detail(self, detail: Detail) -> None:
        """Add the processes as they were a second or two ago."""
        now = monotonic()
        slept, self._watched_until = now > self._watched_until, now + WATCHED_SECONDS
        if slept:
            self._asked.set()
        detail.processes = self._processes

    def collectors(self) -> list[Collector]:
        """One, late while a process keeps its command line from being read."""
        began, failure = self._began, self._failure
        if failure is not None:
            return [Collector(name=self.name, state="failed", message=failure)]
        if began is not None and monotonic() - began > OVERDUE:
            message = "a process does not let itself be read: it hangs in the kernel"
            return [Collector(name=self.name, state="late", message=message)]
        return [Collector(name=self.name)]

    def close(self) -> None:
        """Let the thread end; waits for nothing."""
        self._closed = True
        self._asked.set()

    def _run(self) -> None:
        while True:
            self._asked.wait(self._pause())
            self._asked.clear()
            if self._closed:
                return
            self._began = monotonic()
            try:
                self._processes = self._look()
            except Exception as error:
                self._failure = f"{type(error).__name__}: {error}"
            else:
                self._failure = None
            self._began = None

    def _pause(self) -> float:
        if monotonic() > self._watched_until:
            return INTERVAL
        return WATCHED_INTERVAL if self._processes else EMPTY_INTERVAL

    def _look(self) -> list[Process]:
        jobs, of_gpus = self._job_processes(), list(self._gpu_processes())
        named = {used.pid for _, used in of_gpus} | set(jobs)
        known = {pid: read for pid in named if (read := self._read(pid)) is not None}
        # A pid that was never here lives in another namespace; one that was here has ended.
        self._ended = (self._ended | set(self._known)) & named - set(known)
        self._known = known
        shown = []
        for row, used in of_gpus:
            if used.pid not in self._ended:
                process = self._process(used.pid, jobs)
                process.gpu, process.gpu_memory, process.use = row, used.memory, used.use
                shown.append(process)
        without_gpu = set(jobs) & set(known) - {used.pid for _, used in of_gpus}
        return shown + [self._process(pid, jobs) for pid in sorted(without_gpu)]

    def _process(self, pid: int, jobs: Mapping[int, tuple[str, int]]) -> Process:
        process, known = Process(pid=pid), self._known.get(pid)
        process.job, process.rank = jobs.get(pid, (None, None))
        if known is not None:
            process.started = hardware.booted() + known.started / TICKS
            process.user, process.command, process.cpu = known.user, known.command, known.cpu
            process.memory = known.pages * PAGE // BYTES_IN_MIB
        return process

    def _read(self, pid: int) -> Known | None:
        """What /proc says of a process; None where it has none."""
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                head, _, tail = file.read().rpartition(b") ")
        except OSError:
            return None
        words, now = tail.split(), monotonic()
        ticks = int(words[UTIME]) + int(words[STIME])
        fresh = Known(int(words[STARTED]), ticks, now, int(words[PAGES]))
        before = self._known.get(pid)
        if before is not None and before.started == fresh.started:
            fresh.user, fresh.command = before.user, before.command
            fresh.command_due = before.command_due
            seconds = now - before.read_at
            fresh.cpu = 100 * (ticks - before.ticks) / TICKS / seconds
        else:
            fresh.user = _user(pid)
        if now >= fresh.command_due:
            name = head.partition(b"(")[2].decode(errors="replace")
            fresh.command = _command(pid) or f"[{name}]"
            fresh.command_due = now + COMMAND_SECONDS
        return fresh


def _user(pid: int) -> str | None:
    """By the process's own identity: the owner of its files is root if it forbids a dump."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            found = OWNER.search(file.read())
    except OSError:
        return None
    return _user_name(int(found[1])) if found else None


@cache
def _user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _command(pid: int) -> str | None:
    """The command line in one line; None for a process that has none, or does not show it."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(4 * LONGEST_COMMAND).decode(errors="replace")
    except OSError:
        return None
    # Whoever starts a process chooses these bytes: none of them shall steer a terminal.
    text = "".join(letter if letter.isprintable() else " " for letter in words)
    return text.strip()[:LONGEST_COMMAND] or None
