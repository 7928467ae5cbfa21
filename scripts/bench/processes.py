"""What processes cost, as the kernel counts it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TICKS: Final = os.sysconf("SC_CLK_TCK")
PARENT, UTIME, STIME = 1, 11, 12
"""Positions in /proc/PID/stat behind the name."""

IDLE, IOWAIT = 3, 4
"""Positions in the first line of /proc/stat."""

FOREIGN_LIMIT: Final = 5.0
"""Per cent of the machine from which on what others do is told of."""


class Cost(NamedTuple):
    """Of one process, or several together."""

    cpu: float
    """User and system time of all threads, in per cent of a core."""

    rss: float
    """MiB."""

    pss: float
    """MiB; pages that several processes share are divided between them."""


class Window:
    """What processes cost from now on."""

    def __init__(self, processes: Mapping[str, int]) -> None:
        """Of the processes by name."""
        self._processes = dict(processes)
        self._began = time.monotonic()
        self._cpu = {name: cpu_seconds(pid) for name, pid in processes.items()}
        self._machine = _machine_seconds()
        self._own = _family_seconds()

    def end(self) -> dict[str, Cost]:
        """What each cost since the beginning; its memory now."""
        seconds = time.monotonic() - self._began
        machine, own = _machine_seconds() - self._machine, _family_seconds()
        grown = sum(own[pid] - self._own[pid] for pid in own.keys() & self._own.keys())
        cores = os.cpu_count() or 1
        self.foreign = max(100 * (machine - grown) / seconds / cores, 0.0)
        return {name: self._cost(name, pid, seconds) for name, pid in self._processes.items()}

    def _cost(self, name: str, pid: int, seconds: float) -> Cost:
        rss, pss = memory(pid)
        return Cost(100 * (cpu_seconds(pid) - self._cpu[name]) / seconds, rss, pss)


def together(costs: Iterable[Cost]) -> Cost:
    """The sum."""
    return Cost(*(sum(each) for each in zip(*costs, strict=True)))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all its threads."""
    words = _stat(pid)
    return (int(words[UTIME]) + int(words[STIME])) / TICKS


def memory(pid: int) -> tuple[float, float]:
    """RSS and PSS of a process, in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return kib["Rss"] / 1024, kib["Pss"] / 1024


def with_argument(argument: str) -> list[int]:
    """The processes that have this among their arguments."""
    return [pid for pid in _all() if argument in _arguments(pid)]


def _family_seconds() -> dict[int, float]:
    """The CPU time of this process and all below it, by process."""
    family = {os.getpid(): cpu_seconds(os.getpid())}
    stats = {}
    for pid in _all():
        try:
            stats[pid] = _stat(pid)
        except OSError:
            continue  # it has ended
    grown = True
    while grown:
        below = {p for p, words in stats.items() if int(words[PARENT]) in family} - family.keys()
        grown = bool(below)
        for pid in below:
            family[pid] = (int(stats[pid][UTIME]) + int(stats[pid][STIME])) / TICKS
    return family


def _machine_seconds() -> float:
    """How long all processors were at work since the host's start."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[IDLE] - ticks[IOWAIT]) / TICKS


def _stat(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()


def _all() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []
