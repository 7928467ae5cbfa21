"""Jobs: what was asked for, what runs, and how did the rest end?"""

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from ...agents.protocol.jobs import JobSummary
from ..actions import bindings
from ..tables.jobs import JobTable
from ..widgets.grid import Grid
from .filtering import Filtering
from .jobactions import JobActions


class JobsScreen(JobActions, Filtering):
    """A row for each job."""

    KIND = "jobs"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("jobs")]
    AUTO_FOCUS = "#grid"

    DEFAULT_CSS = """
    JobsScreen #grid { height: 1fr; margin: 0 1; }
    """

    def body(self) -> Iterable[Widget]:
        """One grid."""
        yield Grid(
            JobTable(self.view.store.jobs, self.view.clock),
            id="grid",
            empty="no job yet: n starts one",
        )

    def paint(self) -> None:
        """Show the present."""
        self.query_one(Grid).update()

    def chosen_job(self) -> JobSummary | None:
        """The job under the cursor."""
        grid = self.query_one(Grid)
        table = grid.table
        if grid.cursor is None or not isinstance(table, JobTable):
            return None
        return table.job(grid.cursor)

    def action_open(self) -> None:
        """Open the job under the cursor."""
        if job := self.chosen_job():
            self.console_app.open_job(job.id)

    def on_grid_opened(self, message: Grid.Opened) -> None:
        """Open the job of a row."""
        message.stop()
        self.action_open()

    def action_copy(self) -> None:
        """The id of the job under the cursor."""
        if job := self.chosen_job():
            self.console_app.copy(job.id)
