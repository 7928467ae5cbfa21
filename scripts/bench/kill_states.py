"""Asks the agents how their jobs do, again and again, and holds the answers against the truth."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from llmos.agents.node.task.leases import Leases
from llmos.agents.protocol.jobs import ENDED
from llmos.scripts.bench.kill_place import Unreachable

if TYPE_CHECKING:
    from pathlib import Path

    from llmos.scripts.bench.kill_findings import Findings
    from llmos.scripts.bench.kill_jobs import Job
    from llmos.scripts.bench.kill_truth import AttemptTruth, Truths

PERIOD: Final = 0.2
WRONG_SECONDS: Final = 2.0


class States(threading.Thread):
    """Samples what is shown of each job."""

    def __init__(self, truths: Truths, findings: Findings, leases: Path) -> None:
        super().__init__(daemon=True, name="states")
        self.jobs: dict[str, Job] = {}
        """Those that have not ended, by name; replaced whole, never changed."""

        self._truths = truths
        self._findings = findings
        self._leases = Leases(leases)
        self._wrong: dict[str, tuple[str, float]] = {}
        self._told: set[tuple[str, str]] = set()
        self._ended = threading.Event()

    def end(self) -> None:
        """Stop asking."""
        self._ended.set()
        self.join()

    def run(self) -> None:
        """Until told to end."""
        while not self._ended.wait(PERIOD):
            for job in self.jobs.values():
                self._ask(job)
            self._look_at_gpus()

    def _ask(self, job: Job) -> None:
        if job.id is None or job.ended_at is not None:
            return
        try:
            status, record = job.agent.ask("GET", f"/v1/jobs/{job.id}")
        except Unreachable:
            self._wrong.pop(job.name, None)  # nothing is shown, so nothing wrong
            return
        if status != 200:
            self._judge(job, f"the agent answers {record} of a job that it took")
            return
        self._judge(job, wrong(record["summary"], self._truths.attempts[job.name], job))
        if record["summary"]["state"] in ENDED:
            job.record, job.ended_at = record, time.time()

    def _judge(self, job: Job, what: str | None) -> None:
        """Something is wrong since when? A moment's delay is none."""
        self._findings.count("states")
        since = self._wrong.get(job.name)
        if what is None:
            self._wrong.pop(job.name, None)
        elif since is None or since[0] != what:
            self._wrong[job.name] = (what, time.monotonic())
        else:
            lasted = time.monotonic() - since[1]
            self._findings.longest_wrong = max(self._findings.longest_wrong, lasted)
            if lasted > WRONG_SECONDS and (job.name, what) not in self._told:
                self._told.add((job.name, what))
                self._findings.violated("states", job, f"{what}, for more than 2 s")

    def _look_at_gpus(self) -> None:
        """A GPU belongs to one attempt, and is leased for as long as a rank of it runs."""
        holders: dict[str, set[tuple[str, int]]] = {}
        jobs = {job.name: job for job in self.jobs.values()}
        for name, job in jobs.items():
            for number, attempt in list(self._truths.attempts[name].items()):
                for uuid in _used(attempt):
                    holders.setdefault(uuid, set()).add((name, number))
                    self._findings.count("GPUs")
                    if self._leases.holder(uuid) is None and attempt.alive and _lives(attempt):
                        self._tell_once(job, f"a{number} runs on GPU {uuid} without a lease")
        for uuid, users in holders.items():
            if len({user for user in users if self._still(user)}) > 1:
                first = jobs[min(users)[0]]
                self._tell_once(first, f"GPU {uuid} is used by {sorted(users)} at once")

    def _still(self, user: tuple[str, int]) -> bool:
        return _lives(self._truths.attempts[user[0]][user[1]])

    def _tell_once(self, job: Job, what: str) -> None:
        if (job.name, what) not in self._told:
            self._told.add((job.name, what))
            self._findings.violated("GPUs", job, what)


def wrong(shown: dict[str, Any], attempts: dict[int, AttemptTruth], job: Job) -> str | None:
    """What is wrong with what is shown of a job right now."""
    number = max(attempts, default=0)
    if not number:
        return None
    truth, state = attempts[number], shown["state"]
    born = len(truth.ranks) == job.kind.ranks
    if shown["attempt"] < number:
        return f"attempt {shown['attempt']} is shown while attempt {number} runs"
    if truth.alive and shown["attempt"] == number:
        if state in ENDED:
            return f"{state}, while ranks run"
        if state in ("queued", "restarting") or (state == "starting" and born):
            return f"{state}, while its ranks run"
    if state == "running" and shown["attempt"] == number and born and not truth.alive:
        return "running, while every rank has ended"
    return None


def _used(attempt: AttemptTruth) -> set[str]:
    ranks = [rank for rank in attempt.ranks.values() if rank.being.died is None]
    return {uuid for rank in ranks for uuid in rank.gpus}


def _lives(attempt: AttemptTruth) -> bool:
    """Whether a rank lives in this very moment."""
    from llmos.agents.node.task import descent

    return any(descent.living(rank.being.process) for rank in attempt.ranks.values())
