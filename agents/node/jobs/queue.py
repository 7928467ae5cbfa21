"""Which jobs start now, and why the others wait. Pure: what is known comes in, decisions go out.

The order is priority, then age. It is strict: a job that waits for GPUs keeps those that are free
from all behind it, or a large job would never start among small ones. Jobs without GPUs count
cores instead, and neither kind waits for the other.
"""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

from ...errors import RequestRefused
from ...protocol.jobs import ENDED, JobRequest, JobState
from .occupancy import GpuUse

RANKS_PER_CORE: Final = 4
RANKS_ALWAYS: Final = 64
"""However few the cores are. More is a slip of the pen, not a job."""

MOST_HOLDERS: Final = 4
"""That a reason names; the rest is counted."""

DEPENDENCY: Final = re.compile(r"([^:\s]+)(:any)?")
ENDINGS: Final = {"failed": "failed", "stopped": "was stopped"}


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A job that waits to be started."""

    job: str
    gpus: int
    ranks: int
    created: float
    """Seconds since 1970."""

    priority: int = 0
    held: bool = False
    after: tuple[str, ...] = ()
    """As in JobRequest."""


class Cores(msgspec.Struct, frozen=True):
    """The cores of a node."""

    present: int
    used: Mapping[str, int] = {}
    """Ranks of each job that runs without GPUs."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a job that waits."""

    job: str
    start: tuple[int, ...] | None = None
    """Rows of the GPUs that it starts on, none for a job without; None if it does not start."""

    give_up: bool = False
    """Whether it can never start: a job that must have succeeded did not."""

    cause: str
    """One line for people."""


def plan(
    waiting: Sequence[Waiting],
    gpus: Sequence[GpuUse],
    cores: Cores,
    jobs: Mapping[str, JobState],
) -> list[Decision]:
    """A decision for each job that waits, in the order in which they may start.

    `jobs` has the state of every job that is known, also of those that have ended.
    """
    of_gpus, of_cores = _Line(_Gpus(gpus)), _Line(_Cores(cores))
    decisions = []
    for job in sorted(waiting, key=_turn):
        line = of_gpus if job.gpus else of_cores
        decisions.append(_barred(job, jobs) or line.admit(job))
    return decisions


def _turn(job: Waiting) -> tuple[int, float, int, str]:
    return -job.priority, job.created, len(job.job), job.job


def _barred(job: Waiting, jobs: Mapping[str, JobState]) -> Decision | None:
    """Why a job may not start whatever is free; it keeps nothing from others."""
    pending = None
    for text in job.after:
        dependency = DEPENDENCY.fullmatch(text)
        if dependency is None or dependency[1] not in jobs or dependency[1] == job.job:
            cause = f"job {text}, which it comes after, is not known"
            return Decision(job=job.job, give_up=True, cause=cause)
        other, in_any_way = dependency.groups()
        state = jobs[other]
        if state in ENDINGS and not in_any_way:
            cause = f"job {other}, which it comes after, {ENDINGS[state]}"
            return Decision(job=job.job, give_up=True, cause=cause)
        if state not in ENDED:
            pending = pending or f"after job {other}, which is {state}"
    if job.held:
        return Decision(job=job.job, cause=f"held: release it with `llmos release {job.job}`")
    return Decision(job=job.job, cause=pending) if pending else None


class _Supply(Protocol):
    """What jobs of one kind wait for."""

    def fits(self, job: Waiting) -> bool:
        """Whether there is enough of it now."""

    def reachable(self, job: Waiting) -> bool:
        """Whether there ever can be, with what the node has."""

    def give(self, job: Waiting) -> Decision:
        """Start it."""

    def shortage(self, job: Waiting) -> str:
        """Why it does not fit."""


class _Line:
    """Jobs one behind the other: the first that waits keeps what is free from the rest."""

    def __init__(self, supply: _Supply) -> None:
        self._supply = supply
        self._head: Waiting | None = None

    def admit(self, job: Waiting) -> Decision:
        if self._head is not None:
            return Decision(job=job.job, cause=_behind(job, self._head))
        if self._supply.fits(job):
            return self._supply.give(job)
        if self._supply.reachable(job):
            self._head = job
        return Decision(job=job.job, cause=self._supply.shortage(job))


def _behind(job: Waiting, head: Waiting) -> str:
    why = f"has priority {head.priority}" if head.priority > job.priority else "is older"
    return f"waits behind job {head.job}, which {why}"


class _Gpus:
    def __init__(self, gpus: Sequence[GpuUse]) -> None:
        in_order = sorted(gpus, key=lambda gpu: (len(gpu.sharing) > 0, gpu.row))
        self._free = [gpu for gpu in in_order if gpu.holder is None]
        by_row = sorted(gpus, key=lambda gpu: gpu.row)
        self._holders = Counter(gpu.holder for gpu in by_row if gpu.holder is not None)
        self._present = len(gpus)

    def fits(self, job: Waiting) -> bool:
        return job.gpus <= len(self._free)

    def reachable(self, job: Waiting) -> bool:
        return job.gpus <= self._present

    def give(self, job: Waiting) -> Decision:
        given, self._free = self._free[: job.gpus], self._free[job.gpus :]
        self._holders[f"held by job {job.job}"] += job.gpus
        rows = tuple(sorted(gpu.row for gpu in given))
        cause = f"starts on GPU{'s' * (len(rows) > 1)} {', '.join(map(str, rows))}"
        sharers = list(dict.fromkeys(sharer for gpu in given for sharer in gpu.sharing))
        if sharers:
            cause += f", shared with {_listed(sharers, '; ')}"
        return Decision(job=job.job, start=rows, cause=cause)

    def shortage(self, job: Waiting) -> str:
        wanted = f"waiting for {_counted(job.gpus, 'GPU')}"
        if not self.reachable(job):
            return f"{wanted}: this node has {self._present} now"
        held = [f"{number} {holder}" for holder, number in self._holders.items()]
        return f"{wanted}: {_listed([f'{len(self._free)} free', *held])}"


class _Cores:
    def __init__(self, cores: Cores) -> None:
        self._present = cores.present
        self._used = dict(sorted(cores.used.items(), key=lambda used: (len(used[0]), used[0])))

    @property
    def _free(self) -> int:
        return max(0, self._present - sum(self._used.values()))

    def fits(self, job: Waiting) -> bool:
        return job.ranks <= self._free or not self._used

    def reachable(self, job: Waiting) -> bool:
        return True

    def give(self, job: Waiting) -> Decision:
        self._used[job.job] = job.ranks
        return Decision(job=job.job, start=(), cause=f"starts on {self._wanted(job)}")

    def shortage(self, job: Waiting) -> str:
        used = [f"{number} used by job {other}" for other, number in self._used.items()]
        free = f"{self._free} of {self._present} free"
        return f"waiting for {self._wanted(job)}: {_listed([free, *used])}"

    def _wanted(self, job: Waiting) -> str:
        if job.ranks > self._present:
            return f"all cores, for its {job.ranks} ranks"
        return _counted(job.ranks, "core")


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _listed(parts: Sequence[str], between: str = ", ") -> str:
    shown, more = parts[: MOST_HOLDERS + 1], len(parts) - MOST_HOLDERS - 1
    return between.join(shown) + (f"{between}and {more} more" if more > 0 else "")


def settled(request: JobRequest, gpus_present: int) -> tuple[int, int]:
    """Ranks and GPUs of a job, each by default following the other."""
    ranks, gpus = request.resources.ranks, request.resources.gpus
    if ranks is None:
        ranks = 1 if request.program.launcher == "plain" else gpus or 1
    if gpus is None:
        gpus = ranks if gpus_present else 0
    return ranks, gpus


def refuse_impossible(request: JobRequest, gpus_present: int) -> None:
    """Raises RequestRefused for what this node can never give, however long a job waits."""
    resources, has = request.resources, f"this node has {gpus_present}"
    _between("resources.nodes", resources.nodes, 1, 1, "jobs do not cross hosts yet")
    if resources.gpus is not None:
        _between("resources.gpus", resources.gpus, 0, gpus_present, has)
    ranks, wanted = settled(request, gpus_present)
    most = max(RANKS_ALWAYS, RANKS_PER_CORE * (os.cpu_count() or 1))
    _between("resources.ranks", ranks, 1, most, f"this node has {os.cpu_count()} cores")
    _between("resources.gpus", wanted, 0, gpus_present, has)
    if request.program.launcher == "plain" and ranks != 1:
        raise RequestRefused(
            f'resources.ranks: a program with launcher = "plain" is one process, not {ranks}; '
            'use launcher = "torchrun"'
        )
    for text in request.after:
        if not DEPENDENCY.fullmatch(text):
            raise RequestRefused(f'after: expected the id of a job or "ID:any", got "{text}"')


def _between(path: str, value: int, low: int, high: int, why: str) -> None:
    if not low <= value <= high:
        expected = str(low) if low == high else f"{low} to {high}"
        raise RequestRefused(f"{path}: expected {expected}, got {value}: {why}")
