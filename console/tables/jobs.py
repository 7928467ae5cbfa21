"""Jobs, one a row, the newest first."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from ...agents.protocol.jobs import ENDED, JobSummary
from .. import quantities as q
from ..widgets.bar import bar
from ..widgets.pen import Cell, Pen
from ..widgets.table import Column, Row, Rows
from .cells import figure, words
from .order import ranks

STATE_LOOK: Final = {
    "queued": ("idle", "idle"),
    "placing": ("info", "info"),
    "starting": ("info", "info"),
    "running": ("ok", "accent"),
    "restarting": ("info", "warn"),
    "succeeded": ("ok", "ok"),
    "failed": ("bad", "bad"),
    "stopped": ("idle", "dim"),
}
"""State → the glyph and the role it is shown with."""


def state_cell(row: Row, width: int, pen: Pen) -> Cell:
    """A mark and the state."""
    glyph, role = STATE_LOOK[row["state"]]
    text = f"{getattr(pen.glyphs, glyph)} {row['state']}"
    return pen.text(text, width, getattr(pen.roles, role))


def progress_cell(row: Row, width: int, pen: Pen) -> Cell:
    """A bar of steps; where a program does not count them, its phase."""
    step, steps = row["step"], row["steps"]
    if not steps or step is None:
        return pen.text(row["phase"] or "", width, pen.roles.dim)
    return bar(step / steps, width, pen.roles, pen.glyphs, f"{step}/{steps}", pen.roles.accent)


COLUMNS: Final = (
    Column("id", "ID", 5, words("id", "title", right=True), rank=0, right=True),
    Column("name", "NAME", 12, words("name"), stretch=2, rank=1),
    Column(
        "kind",
        "KIND",
        8,
        words("kind", "dim"),
        rank=6,
        meaning="Which program it is: train, or command for a script of yours",
    ),
    Column("state", "STATE", 11, state_cell, rank=1),
    Column("progress", "PROGRESS", 14, progress_cell, stretch=2, rank=2),
    Column(
        "loss",
        "LOSS",
        7,
        figure("loss", q.number),
        rank=3,
        right=True,
        meaning="The newest loss of rank 0",
    ),
    Column(
        "rate",
        "TOK/S",
        7,
        figure("rate", q.count),
        rank=4,
        right=True,
        meaning="Tokens learnt from in a second",
    ),
    Column(
        "ranks",
        "RANKS",
        5,
        figure("ranks", q.count, "dim"),
        rank=7,
        right=True,
        meaning="Processes that work on it",
    ),
    Column("gpus", "GPUS", 4, figure("gpus", q.count, "dim"), rank=8, right=True),
    Column("user", "USER", 8, words("user", "dim"), rank=9),
    Column(
        "time",
        "TIME",
        7,
        figure("time", q.duration, "dim"),
        rank=3,
        right=True,
        meaning="How long it has run",
    ),
    Column(
        "cause",
        "WHY",
        14,
        words("cause", "dim"),
        stretch=3,
        rank=5,
        meaning="Why it is in this state",
    ),
)


class JobTable:
    """The jobs of a fleet; a row is a job's number in the order in which it was told."""

    columns: Sequence[Column] = COLUMNS

    def __init__(self, jobs: Mapping[str, JobSummary], clock: Callable[[], float]) -> None:
        self._jobs = jobs
        self._clock = clock

    def job(self, row: int) -> JobSummary | None:
        """The job of a row."""
        jobs = list(self._jobs.values())
        return jobs[row] if row < len(jobs) else None

    def arrange(self, sort: str, descending: bool, text: str) -> Rows:
        """Jobs whose id, name, kind, state, user or cause contains the words of `text`."""
        wanted = text.lower().split()
        jobs = list(self._jobs.values())
        rows = [row for row, job in enumerate(jobs) if all(word in _said(job) for word in wanted)]
        rows.sort(key=lambda row: jobs[row].created, reverse=not (descending and not sort))
        order = np.array(rows, np.int64)
        if not sort:
            return order
        return order[ranks([row.get(sort) for row in self.rows(rows)], descending)]

    def rows(self, wanted: Sequence[int]) -> Sequence[Row]:
        """What the columns paint."""
        jobs = list(self._jobs.values())
        now = self._clock()
        return [job_row(jobs[row], now) for row in wanted]


def job_row(job: JobSummary, now: float) -> Row:
    """What the columns paint of one job, at the time `now` (seconds since 1970)."""
    progress = job.progress
    ran_until = job.ended if job.ended is not None else now
    running = job.state not in ENDED
    return {
        "id": job.id,
        "name": job.name,
        "kind": job.kind,
        "state": job.state,
        "cause": job.cause,
        "user": job.user,
        "ranks": job.ranks,
        "gpus": len(job.gpus),
        "step": progress.step,
        "steps": progress.steps,
        "phase": progress.phase if running else "",
        "progress": progress.step,
        "loss": progress.loss,
        "rate": progress.tokens_per_second,
        "time": None if job.started is None else max(ran_until - job.started, 0.0),
    }


def _said(job: JobSummary) -> str:
    return f"{job.id} {job.name} {job.kind} {job.state} {job.user} {job.cause}".lower()
