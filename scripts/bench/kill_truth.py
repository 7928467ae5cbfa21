"""What is true of the campaign's jobs, by their ranks' own words and by /proc; a thread looks."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from llmos.agents.node.task import descent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from llmos.agents.node.task.taskfolder import TaskFolder
    from llmos.scripts.bench.kill_jobs import Job

PERIOD: Final = 0.02


@dataclass
class Being:
    """A process of a job, as it named itself."""

    process: descent.Process
    since: float
    died: float | None = None
    """When it was first seen dead."""


@dataclass
class RankTruth:
    """One rank of an attempt."""

    being: Being
    gpus: list[str] = field(default_factory=list)
    port: int | None = None
    code: int | None = None
    """What it said that it would end with, once it was about to."""

    ends: float | None = None
    born: int = 1
    """How often this rank of this attempt was started."""


@dataclass
class AttemptTruth:
    """One attempt of a job."""

    ranks: dict[int, RankTruth] = field(default_factory=dict)
    escapees: list[Being] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        """Whether a rank runs."""
        return any(rank.being.died is None for rank in self.ranks.values())

    @property
    def died(self) -> float | None:
        """When the last rank was seen dead."""
        times = [rank.being.died for rank in self.ranks.values()]
        return None if not times or None in times else max(time for time in times if time)


Successions = dict[str, list[float]]


class Truths(threading.Thread):
    """Looks at the processes of the jobs that it is given, often."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="truths")
        self.attempts: dict[str, dict[int, AttemptTruth]] = {}
        """By the name of the job, then by attempt."""

        self.successions: Successions = {"agent there": [], "agent down or stopped meanwhile": []}
        """Seconds from the kill of a shim to another's owning the task."""

        self._jobs: list[Job] = []
        self._read: dict[Path, int] = {}
        self._bereft: list[tuple[Job, TaskFolder, int, float]] = []
        self._ended = threading.Event()

    def follow(self, job: Job) -> None:
        """Look at a job from now on."""
        self.attempts.setdefault(job.name, {})
        self._jobs = [*self._jobs, job]

    def leave(self, job: Job) -> None:
        """Look no more."""
        self._jobs = [one for one in self._jobs if one is not job]

    def bereave(self, job: Job, folder: TaskFolder, shim: int) -> None:
        """A shim was killed: wait for the next."""
        self._bereft.append((job, folder, shim, time.time()))

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()
        self.join()

    def run(self) -> None:
        """Until told to end."""
        while not self._ended.wait(PERIOD):
            for job in self._jobs:
                self.look(job)
            self._bereft = [one for one in self._bereft if not self._succeeded(*one)]

    def look(self, job: Job) -> None:
        """Read what is new and see who lives."""
        if job.id is None:
            return
        for path in (job.agent.truth / job.id).glob("a*/rank-*"):
            self._take(self.attempts[job.name], int(path.parent.name[1:]), path)
        now = time.time()
        for attempt in list(self.attempts[job.name].values()):
            ranks = [rank.being for rank in attempt.ranks.values()]
            for being in [*ranks, *attempt.escapees]:
                if being.died is None and not descent.living(being.process):
                    being.died = now

    def _take(self, attempts: dict[int, AttemptTruth], number: int, path: Path) -> None:
        with contextlib.suppress(OSError):
            text = path.read_bytes()
            *lines, rest = text[self._read.get(path, 0) :].split(b"\n")
            self._read[path] = len(text) - len(rest)
            attempt = attempts.setdefault(number, AttemptTruth())
            for line in lines:
                _enter(attempt, json.loads(line))

    def _succeeded(self, job: Job, folder: TaskFolder, shim: int, since: float) -> bool:
        """Whether the wait for another shim is over."""
        state = folder.read_state()
        if state is None or state.shim == shim:
            return time.time() - since > 60.0 or job.ended_at is not None
        there = job.agent.answered_since
        how = "agent there" if there and there < since else "agent down or stopped meanwhile"
        self.successions[how].append(time.time() - since)
        return True


def _enter(attempt: AttemptTruth, said: dict[str, Any]) -> None:
    number = said["rank"]
    if said["what"] in ("born", "escapee"):
        being = Being(descent.Process(said["pid"], said["ticks"]), said["time"])
        if said["what"] == "escapee":
            attempt.escapees.append(being)
        elif number in attempt.ranks:
            attempt.ranks[number].born += 1
        else:
            attempt.ranks[number] = RankTruth(being)
        return
    rank = attempt.ranks[number]
    if said["what"] == "has":
        rank.gpus, rank.port = said["gpus"], said["port"]
    else:
        rank.code, rank.ends = said["code"], said["time"]


def everybody(folder: Path) -> Iterator[descent.Process]:
    """Every process that named itself in a folder of truths."""
    for path in folder.glob("*/a*/rank-*"):
        for line in path.read_text().splitlines():
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                if "pid" in said:
                    yield descent.Process(said["pid"], said["ticks"])
