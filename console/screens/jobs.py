"""Jobs: what runs, what waits, and why? And how did the rest end?"""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from ...agents.protocol.jobs import JobSummary
from ..actions import bindings
from ..tables.jobs import JobTable
from ..widgets.grid import Grid
from ..widgets.table import Column
from .filtering import Filtering
from .jobactions import JobActions


class JobGrid(Grid):
    """A grid whose columns come and go with what there is to say."""

    _shown: Sequence[Column] = ()

    def update(self) -> None:
        """Paint what differs; with other columns, all of it."""
        columns = self.table.columns
        if [column.key for column in columns] != [column.key for column in self._shown]:
            self._shown = columns
            self._fitted = []
            self._cells.clear()
            self.refresh()
        super().update()


class JobsScreen(JobActions, Filtering):
    """A row for each job."""

    KIND = "jobs"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("jobs")]
    AUTO_FOCUS = "#grid"

    DEFAULT_CSS = """
    JobsScreen #grid { height: 1fr; margin: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._marked: dict[str, None] = {}
        """Ids, in the order in which they were marked: a range begins at the last."""

    @property
    def heading_place(self) -> str:
        """How many are marked stands beside the words of the filter."""
        count = f" ({len(self._marked)} marked)" if self._marked else ""
        return f"{super().heading_place}{count}"

    def body(self) -> Iterable[Widget]:
        """One grid."""
        yield JobGrid(
            JobTable(self.view.store.jobs, self.view.clock),
            id="grid",
            empty="no job yet: n starts one",
        )

    def paint(self) -> None:
        """Show the present."""
        self._table.marked = self._marked
        self._grid.update()

    def chosen_jobs(self) -> list[JobSummary]:
        """The marked jobs, else the one under the cursor."""
        jobs = self.view.store.jobs
        if marked := [jobs[job] for job in self._marked if job in jobs]:
            return sorted(marked, key=lambda job: job.created)
        pointed = self._pointed()
        return [] if pointed is None else [pointed]

    def done_with(self, jobs: Sequence[JobSummary]) -> None:
        """What was to be done with the marked jobs is done: no mark stays behind unseen."""
        self._mark({job: None for job in self._marked if job not in {each.id for each in jobs}})

    def action_open(self) -> None:
        """Open the job under the cursor."""
        if job := self._pointed():
            self.console_app.open_job(job.id)

    def on_grid_opened(self, message: Grid.Opened) -> None:
        """Open the job of a row."""
        message.stop()
        self.action_open()

    def action_mark(self) -> None:
        """Mark the row under the cursor, or take its mark away, and go on to the next row."""
        if job := self._pointed():
            marked = {each: None for each in self._marked if each != job.id}
            self._mark(marked if job.id in self._marked else {**marked, job.id: None})
            self._grid.action_move(1)

    def action_mark_range(self) -> None:
        """Mark the rows from the last marked one to the cursor."""
        pointed = self._pointed()
        shown = [job.id for job in self._shown()]
        if pointed is None or pointed.id not in shown:
            return
        begins = [job for job in self._marked if job in shown][-1:] or [pointed.id]
        first, last = sorted((shown.index(begins[0]), shown.index(pointed.id)))
        self._mark({**self._marked, **dict.fromkeys(shown[first : last + 1])})

    def action_mark_array(self) -> None:
        """Mark every job that was submitted together with the one under the cursor."""
        pointed = self._pointed()
        if pointed is None:
            return
        if not pointed.array:
            self.notify(f"job {pointed.id} is not part of an array", severity="warning")
            return
        jobs = self.view.store.jobs.values()
        members = [job.id for job in jobs if job.array == pointed.array]
        self._mark({**self._marked, **dict.fromkeys(members)})

    def action_back(self) -> None:
        """Take the marks away; where there are none, the filter, then this screen."""
        if self._marked:
            self._mark({})
        else:
            super().action_back()

    def action_copy(self) -> None:
        """The ids of the marked jobs, else that of the one under the cursor."""
        self.console_app.copy(" ".join(job.id for job in self.chosen_jobs()))

    @property
    def _grid(self) -> Grid:
        return self.query_one("#grid", Grid)

    @property
    def _table(self) -> JobTable:
        table = self._grid.table
        assert isinstance(table, JobTable)  # noqa: S101 - body makes it so
        return table

    def _pointed(self) -> JobSummary | None:
        return None if self._grid.cursor is None else self._table.job(self._grid.cursor)

    def _shown(self) -> list[JobSummary]:
        """The rows in the order in which they are seen."""
        grid, table = self._grid, self._table
        rows = table.arrange(grid.sort, grid.descending, grid.filter_text)
        return [job for row in rows.tolist() if (job := table.job(row)) is not None]

    def _mark(self, marked: dict[str, None]) -> None:
        self._marked = marked
        self.repaint()
