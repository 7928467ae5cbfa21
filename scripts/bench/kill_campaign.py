"""The kill campaign: a real agent, jobs of every kind, and at random moments one of their processes
is killed or stopped. No job may be harmed, and nothing may be left."""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from llmos.agents.node.task import descent
from llmos.scripts.bench import kill_checks, kill_strikes, kill_truth
from llmos.scripts.bench.kill_findings import Findings
from llmos.scripts.bench.kill_jobs import KINDS, Job, Kind, make
from llmos.scripts.bench.kill_place import Place, Unreachable
from llmos.scripts.bench.kill_states import States
from llmos.scripts.bench.kill_truth import Truths

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TICK: Final = 0.01
FRESH: Final = 0.4
"""Of all strikes, the share that is aimed at a job that was submitted a moment ago."""

FRESH_SECONDS: Final = 0.8
AGENT_AWAY: Final = (0.0, 1.5)
"""Seconds until the next client misses a killed agent and starts it again."""

UPGRADES: Final = 0.25
"""Of all kills of an agent, the share after which another version is started."""

SETTLED: Final = 1.2
"""Seconds after a job's end, when escapees must be gone."""

PATIENCE: Final = 100.0
"""Seconds that a job may take, with all that befalls it."""

PASSING: Final = {
    "free space": "on a full disk",
}
"""Why a job may be refused for a moment, by what the refusal says."""

FULL_EVERY: Final = (4.0, 12.0)
FULL_SECONDS: Final = (0.5, 3.0)


@dataclass(frozen=True)
class Options:
    """What a campaign does."""

    count: int = 1000
    seed: int = 1
    every: float = 0.6
    """Seconds between strikes, on average."""

    jobs: int = 6
    """Of each agent, at a time."""

    gpus: int = 8
    load: int = 0
    disk_full: bool = False
    two_users: bool = False
    other_python: str = sys.executable
    """The second user's, who must be able to run it; of this one's version."""

    kinds: Sequence[Kind] = KINDS
    keep: bool = False
    verbose: bool = False


class Campaign:
    """One run."""

    def __init__(self, options: Options, place: Place) -> None:
        self.findings = Findings()
        self._options = options
        self._place = place
        self._random = random.Random(options.seed)
        self._truths = Truths()
        self._states = States(self._truths, self.findings, place.leases)
        self._jobs: list[Job] = []
        self._number = 0
        self._back: dict[str, float] = {}
        """When a killed agent is started again, by name."""

        self._next = time.time() + 1.0
        self._aim: Job | None = None

    def run(self) -> Findings:
        """Strike as often as asked, let the jobs end, look at what is left."""
        for agent in self._place.agents:
            agent.start()
        for agent in self._place.agents:
            agent.await_answer()
        self._truths.start()
        self._states.start()
        try:
            while len(self.findings.strikes) < self._options.count:
                self._tick(feed=True)
            while self._jobs:
                self._tick(feed=False)
        finally:
            self._states.end()
            self._truths.end()
        for name, times in self._truths.successions.items():
            for seconds in times:
                self.findings.figure(f"shim killed → another owns the task, {name}", seconds)
        kill_checks.check_place(self._place, self._truths, self.findings)
        return self.findings

    def _tick(self, *, feed: bool) -> None:
        time.sleep(TICK)
        now = time.time()
        for agent in self._place.agents:
            if agent.pid is None and self._back.setdefault(agent.name, now) <= now:
                agent.start()
                if agent.answered_since is None:
                    with contextlib.suppress(Unreachable):
                        agent.ask("GET", "/v1/hello")
        for job in list(self._jobs):
            self._lead(job, now)
        if feed:
            self._feed()
            self._strike(now)

    # Jobs

    def _feed(self) -> None:
        for agent in self._place.agents:
            if sum(job.agent is agent for job in self._jobs) < self._options.jobs:
                self._number += 1
                kinds = self._options.kinds
                (kind,) = self._random.choices(kinds, [kind.weight for kind in kinds])
                job = make(kind, self._number, agent, self._random)
                self._jobs.append(job)
                self._truths.follow(job)
                self._show_live()

    def _show_live(self) -> None:
        self._states.jobs = {job.name: job for job in self._jobs}

    def _lead(self, job: Job, now: float) -> None:
        """A job's way: submitted, perhaps asked to stop, ended, looked at."""
        if job.id is None:
            if job.agent.pid is not None:
                self._submit(job)
        elif job.ended_at is not None:
            if now > job.ended_at + SETTLED:
                self._close(job)
        elif job.stopped is None and job.stop_at is not None and job.stop_at <= now:
            self._stop(job)
        elif now - job.submitted > PATIENCE:
            self.findings.violated("end", job, f"it did not end in {PATIENCE:.0f} s")
            job.ended_at = now
            self._forget(job)

    def _submit(self, job: Job) -> None:
        """As often as needed: a client that got no answer looks whether the job was taken."""
        try:
            if job.submitted:
                _, known = job.agent.ask("GET", "/v1/jobs")
                taken = [
                    one["id"] for one in known if one["name"] == job.name and not _dropped(one)
                ]
                if taken:
                    self._taken(job, taken[0])
                    return
            job.submitted = time.time()
            status, answer = job.agent.ask("POST", "/v1/jobs", job.request)
        except Unreachable:
            return
        if status == 201:
            self._taken(job, answer["id"])
            self.findings.count("taken")
            return
        for said, why in PASSING.items():
            if said in str(answer):
                self.findings.notes[f"submissions refused {why}, repeated"] += 1
                return
        self.findings.expect("taken", False, job, f"refused: {answer}")

    def _taken(self, job: Job, number: str) -> None:
        job.id = number
        if job.kind.stopped_after is not None:
            job.stop_at = time.time() + self._random.uniform(*job.kind.stopped_after)
        if self._aim is None and self._random.random() < FRESH:
            self._aim = job
            self._next = time.time() + self._random.uniform(0.0, FRESH_SECONDS)

    def _stop(self, job: Job) -> None:
        job.stop_sent = job.stop_sent or time.time()
        with contextlib.suppress(Unreachable):
            status, _ = job.agent.ask("POST", f"/v1/jobs/{job.id}/stop")
            if status in (200, 409):
                job.stopped = time.time()

    def _close(self, job: Job) -> None:
        self._truths.look(job)
        truth = self._truths.attempts[job.name]
        kill_checks.EndedJob(job, truth, self.findings).check()
        kill_checks.check_log_shown(job, truth, self.findings)
        self.findings.notes[f"jobs of the kind {job.kind.name}"] += 1
        self._forget(job)

    def _forget(self, job: Job) -> None:
        self._jobs.remove(job)
        self._truths.leave(job)
        self._show_live()

    # Strikes

    def _strike(self, now: float) -> None:
        if now < self._next:
            return
        aim, self._aim = self._aim, None
        self._next = now + self._random.expovariate(1 / self._options.every)
        stop = self._random.random() < kill_strikes.STOPS
        victim = kill_strikes.choose(self._place.agents, self._random, job=aim)
        done = victim and kill_strikes.strike(victim, self._random, stop=stop)
        if victim is None or done is None:
            return
        self.findings.strikes.append(done)
        if self._options.verbose:
            print(f"{len(self.findings.strikes)}: {done}", file=sys.stderr, flush=True)
        if not stop:
            self._mourn(victim)

    def _mourn(self, victim: kill_strikes.Victim) -> None:
        """What follows of a kill."""
        if victim.what == "agent":
            self._back[victim.agent.name] = time.time() + self._random.uniform(*AGENT_AWAY)
            if self._random.random() < UPGRADES:
                self._place.install()
                self.findings.notes["upgrades in place"] += 1
        for job in self._jobs:
            if victim.folder and job.agent is victim.agent and job.id == victim.job:
                if victim.what == "shim":
                    self._truths.bereave(job, victim.folder, victim.process.pid)
                elif victim.rank is not None:
                    job.struck.setdefault(victim.attempt, []).append(victim.rank)


def _dropped(summary: dict[str, str]) -> bool:
    """Whether an agent ended while it took a job, and says so: its client never had an answer."""
    return summary["state"] == "failed" and "the agent ended before it was made" in summary["cause"]


@contextlib.contextmanager
def load(number: int) -> Iterator[None]:
    """So many processes that do nothing, and that busily."""
    busy = [subprocess.Popen([sys.executable, "-S", "-c", "while 1: 1"]) for _ in range(number)]
    try:
        yield
    finally:
        for one in busy:
            one.kill()
            one.wait()


@contextlib.contextmanager
def disk_trouble(place: Place, seed: int, *, wanted: bool) -> Iterator[None]:
    """At moments the disk of the first agent is full."""
    ended, moments = threading.Event(), random.Random(seed)

    def fill() -> None:
        while not ended.wait(moments.uniform(*FULL_EVERY)):
            with place.full_disk():
                ended.wait(moments.uniform(*FULL_SECONDS))

    thread = threading.Thread(target=fill, daemon=True)
    if wanted:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if wanted:
            thread.join()


def end_everything(place: Place) -> None:
    """Whatever happened: no process of the campaign stays behind."""
    for agent in place.agents:
        agent.end()
        for victim in kill_strikes.victims(agent):
            descent.kill_below(victim.process.pid)
            descent.send(victim.process, signal.SIGKILL)
        for process in kill_truth.everybody(agent.truth):
            descent.send(process, signal.SIGKILL)


def run(options: Options, folder: Path | None = None) -> Findings:
    """A whole campaign."""
    folder = folder or Path(tempfile.mkdtemp(prefix="llmos-kill-"))
    root = os.geteuid() == 0
    place = Place(
        folder,
        options.gpus,
        other_python=options.other_python if options.two_users and root else None,
        tmpfs=options.disk_full and root,
    )
    try:
        campaign = Campaign(options, place)
        if (options.two_users or options.disk_full) and not root:
            campaign.findings.notes["--two-users and --disk-full need root: left out"] += 1
        with load(options.load), disk_trouble(place, options.seed, wanted=bool(place.mounted)):
            return campaign.run()
    finally:
        end_everything(place)
        place.close(keep=options.keep)


def main() -> int:
    """Run a campaign and print what was found; 1 where something was violated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="strikes")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--every", type=float, default=0.6, help="seconds between, on average")
    parser.add_argument("--jobs", type=int, default=6, help="of each agent, at a time")
    parser.add_argument("--gpus", type=int, default=8, help="of the stand-in")
    parser.add_argument("--load", type=int, default=0, help="busy processes beside")
    parser.add_argument("--disk-full", action="store_true", help="at moments; needs root")
    parser.add_argument("--two-users", action="store_true", help="two agents; needs root")
    parser.add_argument("--other-python", default=sys.executable, help="that this user can run")
    parser.add_argument("--keep", action="store_true", help="the folder")
    parser.add_argument("--verbose", action="store_true", help="tell of each strike")
    given = parser.parse_args()
    options = Options(**vars(given))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    folder = Path(tempfile.mkdtemp(prefix="llmos-kill-"))
    print(f"## Kill campaign: seed {options.seed}, {folder}\n", flush=True)
    began = time.monotonic()
    findings = run(options, folder)
    findings.show()
    print(f"\n{time.monotonic() - began:.0f} s")
    return int(bool(findings.violations))


if __name__ == "__main__":
    sys.exit(main())
