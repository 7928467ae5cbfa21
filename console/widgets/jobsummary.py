"""A job in a few lines: state, progress, place, and its results at the end."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.segment import Segment

from .. import quantities as q
from ..tables.jobs import JobTable, progress_cell, state_cell
from ..view import View
from .lines import Line, Lines
from .pen import Pen

if TYPE_CHECKING:
    from ...agents.protocol.jobs import JobRecord

PROGRESS = 30


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
        row = JobTable({job.id: job}).rows([0])[0]
        first: list[Segment] = [
            *pen.text(job.name, min(len(job.name) + 2, 30), pen.roles.title),
            *state_cell(row, 13, pen),
        ]
        if row["steps"]:
            first += [*progress_cell(row, PROGRESS, pen), Segment("  ", pen.roles.base)]
        first.append(Segment(job.cause, pen.roles.dim))
        facts = [
            ("kind", job.kind),
            ("ranks", str(job.ranks)),
            ("GPUs", ", ".join(map(str, job.gpus)) or "none"),
            ("attempt", str(job.attempt)),
            ("user", job.user),
            ("submitted", self._clock(job.created)),
            ("ran", q.duration(row["time"])),
            ("loss", q.number(job.progress.loss)),
            ("speed", f"{q.count(job.progress.tokens_per_second)} tok/s"),
        ]
        return [first, _pairs(facts, pen), *self._results(pen)]

    def _results(self, pen: Pen) -> list[list[Segment]]:
        if self.record is None:
            return []
        lines = []
        if self.record.results:
            said = [
                (name.replace("_", " "), q.number(value) if _is_number(value) else str(value))
                for name, value in self.record.results.items()
            ]
            lines.append(_pairs(said, pen))
        if self.record.artifacts:
            lines.append(_pairs(list(self.record.artifacts.items()), pen))
        return lines

    def _clock(self, moment: float) -> str:
        zone = UTC if self._view.settings.utc else None
        return datetime.fromtimestamp(moment, UTC).astimezone(zone).strftime("%H:%M:%S")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _pairs(said: list[tuple[str, str]], pen: Pen) -> list[Segment]:
    line: list[Segment] = []
    for label, text in said:
        line += [
            Segment(f"{label} ", pen.roles.dim),
            Segment(text, pen.roles.text),
            Segment("   ", pen.roles.base),
        ]
    return line
