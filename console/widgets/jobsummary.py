"""A job in a few lines: state, progress, place, and its results at the end."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rich.segment import Segment

from .. import quantities as q
from ..tables.jobs import job_row, progress_cell, state_cell
from ..view import View
from .lines import Line, Lines
from .pairs import Pair, pairs
from .pen import Pen, width_of

if TYPE_CHECKING:
    from ...agents.protocol.jobs import JobRecord, JobSummary

NAME: Final = 30
PROGRESS: Final = 30
LEAST_CAUSE: Final = 10
"""Cells below which a cause says nothing."""


class JobSummaryLines(Lines):
    """What the job is, how far it is, and what came of it."""

    DEFAULT_CSS = """
    JobSummaryLines { padding: 0 1; margin: 0 0 1 0; }
    """

    def __init__(self, view: View, job: str) -> None:
        super().__init__(id="summary")
        self._view = view
        self._job = job
        self.record: JobRecord | None = None

    def draw(self, width: int) -> list[Line]:
        """State and progress; facts; results."""
        pen = self.pen
        job = self._view.store.jobs.get(self._job)
        if job is None:
            return [[Segment(f"no job {self._job} here", pen.roles.dim)]]
        return [
            *self._state(job, width, pen),
            *pairs(self._facts(job), width, pen),
            *self._results(width, pen),
        ]

    def _state(self, job: "JobSummary", width: int, pen: Pen) -> list[Line]:
        """Name, state, progress; the cause beside them, or where it is long on its own line."""
        row = job_row(job, self._view.clock())
        line: list[Segment] = [
            *pen.text(job.name, min(len(job.name) + 2, NAME), pen.roles.title),
            *state_cell(row, 13, pen),
        ]
        if row["steps"]:
            line += [*progress_cell(row, PROGRESS, pen), Segment("  ", pen.roles.base)]
        room = width - width_of(line)
        if len(job.cause) > max(room, LEAST_CAUSE):
            return [line, [*pen.text(job.cause, width, pen.roles.dim)]]
        return [[*line, *pen.text(job.cause, max(room, 0), pen.roles.dim)]]

    def _facts(self, job: "JobSummary") -> list[Pair]:
        row = job_row(job, self._view.clock())
        facts = [
            ("kind", job.kind),
            ("ranks", str(job.ranks)),
            ("GPUs", ", ".join(map(str, job.gpus)) or "none"),
            ("attempt", str(job.attempt)),
            ("user", job.user),
            ("submitted", self._clock(job.created)),
            ("ran", q.duration(row["time"])),
        ]
        if q.known(job.progress.loss):
            facts.append(("loss", q.number(job.progress.loss)))
        if q.known(job.progress.tokens_per_second):
            facts.append(("speed", f"{q.count(job.progress.tokens_per_second)} tokens/s"))
        return facts

    def _results(self, width: int, pen: Pen) -> list[Line]:
        """The results as a table, a line each: they are what the job was for."""
        if self.record is None:
            return []
        said = [(name.replace("_", " "), _text(value)) for name, value in _results(self.record)]
        if not said:
            return []
        longest = min(max(len(name) for name, _ in said), width // 2)
        return [
            [
                *pen.text(name, longest + 2, pen.roles.dim),
                *pen.text(text, max(width - longest - 2, 0), pen.roles.text),
            ]
            for name, text in said
        ]

    def _clock(self, moment: float) -> str:
        zone = UTC if self._view.settings.utc else None
        return datetime.fromtimestamp(moment, UTC).astimezone(zone).strftime("%H:%M:%S")


def _results(record: "JobRecord") -> list[tuple[str, object]]:
    return [*record.results.items(), *record.artifacts.items()]


def _text(value: object) -> str:
    return q.number(value) if isinstance(value, int | float) else str(value)
