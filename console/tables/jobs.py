"""Jobs, one a row, the newest first; rows can be marked."""

from collections.abc import Callable, Collection, Mapping, Sequence
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
    "held": ("idle", "dim"),
    "placing": ("info", "info"),
    "starting": ("info", "info"),
    "running": ("ok", "accent"),
    "restarting": ("info", "warn"),
    "succeeded": ("ok", "ok"),
    "failed": ("bad", "bad"),
    "stopped": ("idle", "dim"),
}
"""State → the glyph and the role it is shown with. A queued job that is held says so instead."""


def id_cell(row: Row, width: int, pen: Pen) -> Cell:
    """The id, behind a mark where the row is marked."""
    marked = row.get("marked", False)
    mark = pen.text(pen.glyphs.marked if marked else "", 1, pen.roles.accent)
    style = pen.roles.accent if marked else pen.roles.title
    return (*mark, *pen.text(row["id"], width - 1, style, right=True))


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


def told(key: str, *, right: bool = False) -> Callable[[Row, int, Pen], Cell]:
    """A text that most jobs have none of: then nothing."""

    def paint(row: Row, width: int, pen: Pen) -> Cell:
        return pen.text(str(row[key] or ""), width, pen.roles.dim, right=right)

    return paint


COLUMNS: Final = (
    Column("id", "ID", 6, id_cell, rank=0, right=True),
    Column("name", "NAME", 12, words("name"), stretch=2, rank=1),
    Column(
        "kind",
        "KIND",
        8,
        words("kind", "dim"),
        rank=6,
        meaning="Which program it is: train, or command for a script of yours",
    ),
    Column(
        "array",
        "ARRAY",
        12,
        told("array"),
        rank=6,
        meaning="The matrix of settings it was submitted with, and its place in it; a marks all",
    ),
    Column("state", "STATE", 11, state_cell, rank=1),
    Column("progress", "PROGRESS", 14, progress_cell, stretch=1, rank=3),
    Column(
        "loss",
        "LOSS",
        7,
        figure("loss", q.number),
        rank=4,
        right=True,
        meaning="The newest loss of rank 0",
    ),
    Column(
        "rate",
        "TOK/S",
        7,
        figure("rate", q.count),
        rank=5,
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
        "priority",
        "PRIO",
        4,
        told("priority", right=True),
        rank=10,
        right=True,
        meaning="Of jobs that wait, the highest starts first",
    ),
    Column(
        "after",
        "AFTER",
        8,
        told("after"),
        rank=11,
        meaning="The jobs that must have succeeded first; with :any, ended in any way",
    ),
    Column(
        "time",
        "TIME",
        7,
        figure("time", q.duration, "dim"),
        rank=2,
        right=True,
        meaning="How long it has run",
    ),
    Column(
        "cause",
        "WHY",
        22,
        words("cause", "dim"),
        stretch=6,
        rank=1,
        meaning="Why it is in this state: what it waits for, or what it failed of",
    ),
)

SELDOM: Final = frozenset({"array", "priority", "after"})
"""Columns that are there only while some job has something to say in them."""


class JobTable:
    """The jobs of a fleet; a row is a job's number in the order in which it was told."""

    def __init__(self, jobs: Mapping[str, JobSummary], clock: Callable[[], float]) -> None:
        self._jobs = jobs
        self._clock = clock
        self.marked: Collection[str] = frozenset()
        """Ids of the jobs that a person marked."""

    @property
    def columns(self) -> Sequence[Column]:
        """Without those in which no job has anything to say."""
        jobs = self._jobs.values()
        empty = {key for key in SELDOM if not any(getattr(job, key) for job in jobs)}
        return [column for column in COLUMNS if column.key not in empty]

    def job(self, row: int) -> JobSummary | None:
        """The job of a row."""
        jobs = list(self._jobs.values())
        return jobs[row] if row < len(jobs) else None

    def arrange(self, sort: str, descending: bool, text: str) -> Rows:
        """Jobs whose id, name, kind, state, user, array or cause contains the words of `text`."""
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
        places = array_places(jobs)
        return [
            {
                **job_row(jobs[row], now),
                "array": places.get(jobs[row].id),
                "marked": jobs[row].id in self.marked,
            }
            for row in wanted
        ]


def array_places(jobs: Collection[JobSummary]) -> dict[str, str]:
    """Ids of the jobs of arrays → the array's name and the job's place in it, as "rates 2/6"."""
    arrays: dict[str, list[str]] = {}
    for job in sorted(jobs, key=lambda job: job.created):
        if job.array:
            arrays.setdefault(job.array, []).append(job.id)
    return {
        job: f"{array} {place}/{len(members)}"
        for array, members in arrays.items()
        for place, job in enumerate(members, 1)
    }


def why(job: JobSummary) -> str:
    """Why a job is in its state, with the name of what it failed of."""
    if job.state == "failed" and job.failure and job.failure.lower() not in job.cause.lower():
        return f"{job.failure}: {job.cause}"
    if job.held and job.state == "queued" and "held" not in job.cause:
        return f"held: {job.cause}"
    return job.cause


def job_row(job: JobSummary, now: float) -> Row:
    """What the columns paint of one job, at the time `now` (seconds since 1970)."""
    progress = job.progress
    ran_until = job.ended if job.ended is not None else now
    running = job.state not in ENDED
    return {
        "id": job.id,
        "name": job.name,
        "kind": job.kind,
        "state": "held" if job.held and job.state == "queued" else job.state,
        "cause": why(job),
        "priority": job.priority or None,
        "after": " ".join(job.after),
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
    held = "held" if job.held else ""
    parts = (job.id, job.name, job.kind, job.state, held, job.user, job.array or "", why(job))
    return " ".join(parts).lower()
