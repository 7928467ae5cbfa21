"""What the kill campaign has checked, and what it found violated."""

from __future__ import annotations

import time
from collections import Counter
from statistics import quantiles
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmos.scripts.bench.kill_jobs import Job
    from llmos.scripts.bench.kill_strikes import Strike

CHECKS: Final = {
    "taken": "job taken when handed in, or refused for a reason that holds",
    "end": "job ends as it would have (state, exit code, culprit)",
    "attempts": "one attempt, or another for a reason; no rank started twice",
    "exit codes": "exit code of each rank known and right",
    "logs": "log of each rank complete, no line twice",
    "states": "state shown never wrong for more than 2 s (samples)",
    "GPUs": "GPU leased while a rank has it, and by one job only (samples)",
    "escapees": "escapees gone within 1 s of the end",
    "processes": "no process left (processes known)",
    "leases": "no lease held (GPUs)",
    "ports": "no port left listening (ports given)",
    "files": "no temporary file left (task folders)",
    "records": "records sound, each transition with a cause (transitions)",
}


MOST_TOLD: Final = 16
"""Strikes, the last, that are told with a violation."""


class Findings:
    """Counts, figures and violations."""

    def __init__(self) -> None:
        self.checked: Counter[str] = Counter()
        self.violations: list[tuple[str, str]] = []
        """Check and text."""

        self.strikes: list[Strike] = []
        self.notes: Counter[str] = Counter()
        """What happened and is no violation, but worth a number."""

        self.figures: dict[str, list[float]] = {}
        self.longest_wrong = 0.0
        self._told: set[str] = set()

    def count(self, check: str, number: int = 1) -> None:
        """So much was looked at."""
        self.checked[check] += number

    def figure(self, name: str, value: float) -> None:
        """A measured time in seconds."""
        self.figures.setdefault(name, []).append(value)

    def expect(self, check: str, right: bool, job: Job, text: str) -> None:
        """One thing that must hold."""
        self.count(check)
        if not right:
            self.violated(check, job, text)

    def violated(self, check: str, job: Job | None, text: str) -> None:
        """Something does not hold; at a job's first, all that was done to it is told."""
        lines = [text]
        if job is not None:
            lines[0] = f"job {job.id} of agent {job.agent.name} ({job.name}): {text}"
            if job.name not in self._told:
                self._told.add(job.name)
                lines += self._course(job)
        self.violations.append((check, "\n".join(lines)))

    def _course(self, job: Job) -> Iterator[str]:
        moments = [
            (strike.time, str(strike)) for strike in list(self.strikes) if _near(strike, job)
        ]
        if job.stopped:
            moments.append((job.stopped, "asked to stop"))
        moments.append((time.time(), "now"))
        for moment, what in sorted(moments)[-MOST_TOLD:]:
            yield f"  {moment - job.submitted:+.3f} s: {what}"

    def show(self) -> None:
        """As markdown."""
        done = Counter(f"{s.victim.what} {s.how.split()[0]}" for s in self.strikes)
        print("| strike | times |\n|---|---|")
        for what, times in sorted(done.items()):
            print(f"| {what} | {times} |")
        print(f"| **all** | **{len(self.strikes)}** |\n\n| what must hold | looked at | violated |")
        print("|---|---|---|")
        broken = Counter(check for check, _ in self.violations)
        for check, text in CHECKS.items():
            print(f"| {text} | {self.checked[check]:,} | {broken[check]} |")
        print(f"| **all** | | **{len(self.violations)}** |\n")
        print("| seconds | number | p50 | p99 | most |\n|---|---|---|---|---|")
        for name, values in sorted(self.figures.items()):
            print(f"| {name} | {len(values)} | {_row(values)} |")
        print(f"| a state was wrong, longest | | | | {self.longest_wrong:.2f} |\n")
        for note, times in sorted(self.notes.items()):
            print(f"- {note}: {times}")
        for check, text in self.violations:
            print(f"\nVIOLATED ({check}): {text}")


def _row(values: list[float]) -> str:
    if len(values) == 1:
        values = values * 2
    parts = quantiles(values, n=100, method="inclusive")
    return f"{parts[49]:.3f} | {parts[98]:.3f} | {max(values):.3f}"


def _near(strike: Strike, job: Job) -> bool:
    """Whether a strike may have to do with a job."""
    victim = strike.victim
    here = victim.agent is job.agent and victim.job in (job.id, None)
    return here and job.submitted <= strike.time <= (job.ended_at or time.time())
