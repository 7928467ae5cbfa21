"""The jobs that matter now, a line each, at the foot of the Fleet screen."""

from typing import Final

from rich.segment import Segment

from ...agents.protocol.jobs import ENDED, JobSummary
from ..quantities import number
from ..tables.jobs import JobTable, progress_cell, state_cell
from ..view import View
from .lines import Line, Lines
from .pen import Pen

MOST: Final = 3
NAME: Final = 20


class JobStrip(Lines):
    """Running jobs, else the last that ended; nothing where there never was one."""

    DEFAULT_CSS = """
    JobStrip { padding: 0 1; }
    """

    def __init__(self, view: View) -> None:
        super().__init__(id="jobstrip")
        self._view = view

    def draw(self, width: int) -> list[Line]:
        """A line for each job."""
        jobs = sorted(self._view.store.jobs.values(), key=_matters, reverse=True)
        return [_line(job, width, self.pen) for job in jobs[:MOST]]


def _matters(job: JobSummary) -> tuple[bool, float]:
    return job.state not in ENDED, job.created


def _line(job: JobSummary, width: int, pen: Pen) -> Line:
    row = JobTable({job.id: job}).rows([0])[0]
    line: list[Segment] = [
        *pen.text(f"job {job.id}", 8, pen.roles.dim),
        *pen.text(job.name, NAME, pen.roles.title),
        Segment(" ", pen.roles.base),
        *state_cell(row, 13, pen),
    ]
    if row["steps"] and width > 70:
        line += progress_cell(row, 20, pen)
    if job.progress.loss is not None:
        line.append(Segment(f"  loss {number(job.progress.loss)}", pen.roles.text))
    rest = width - sum(segment.cell_length for segment in line) - 2
    if rest > 10:
        line += [Segment("  ", pen.roles.base), *pen.text(job.cause, rest, pen.roles.dim)]
    return line
