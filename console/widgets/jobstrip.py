"""The jobs that matter now, a line each, at the foot of the Fleet screen."""

from typing import Final

from rich.segment import Segment

from ...agents.protocol.jobs import ENDED, JobSummary
from ..quantities import number
from ..tables.jobs import job_row, progress_cell, state_cell
from ..view import View
from .lines import Line, Lines
from .pen import Pen

MOST: Final = 3
NAME: Final = 20
WIDE: Final = 70
"""Cells from which there is room for a bar of the steps."""


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
        now, pen = self._view.clock(), self.pen
        return [_line(job, now, width, pen) for job in jobs[:MOST]]


def _matters(job: JobSummary) -> tuple[bool, float]:
    return job.state not in ENDED, job.created


def _line(job: JobSummary, now: float, width: int, pen: Pen) -> Line:
    row = job_row(job, now)
    line: list[Segment] = [
        *pen.text(f"job {job.id}", 8, pen.roles.dim),
        *pen.text(job.name, NAME, pen.roles.title),
        Segment(" ", pen.roles.base),
        *state_cell(row, 13, pen),
    ]
    if job.state not in ENDED:  # of an ended job the cause says more
        if row["steps"] and width > WIDE:
            line += progress_cell(row, 20, pen)
        if job.progress.loss is not None:
            line.append(Segment(f"  loss {number(job.progress.loss)}", pen.roles.text))
    rest = width - sum(segment.cell_length for segment in line) - 2
    if rest > 10:
        line += [Segment("  ", pen.roles.base), *pen.text(job.cause, rest, pen.roles.dim)]
    return line
