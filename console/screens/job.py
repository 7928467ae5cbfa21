"""Job: does it learn, how fast, what does it say, and how did it end?"""

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Log

from ...agents.protocol.facts import Interest
from ...agents.protocol.jobs import ENDED, JobRecord, JobSummary
from ..actions import bindings
from ..jobcurves import JobCurves
from ..messages import LogArrived, MetricsArrived
from ..widgets.jobsummary import JobSummaryLines
from ..widgets.plot import LinePlot
from .jobactions import JobActions

LOG_LINES = 5000
TAIL_LINES = 500


class JobScreen(JobActions):
    """Its state, its curves, the tail of its log."""

    KIND = "job"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("job")]
    AUTO_FOCUS = "#log"

    DEFAULT_CSS = """
    JobScreen #curves { height: 1fr; min-height: 6; }
    JobScreen #curves LinePlot { width: 1fr; margin: 0 1; }
    JobScreen #log { height: 1fr; margin: 0 1; background: $background; }
    JobScreen.-log-alone #curves { display: none; }
    """

    def __init__(self, job: str) -> None:
        super().__init__()
        self._job = job
        self._curves = JobCurves()
        self._record: JobRecord | None = None
        self._attempt = 0
        self._log_ends: dict[int, int] = {}
        """By rank: the offset up to which its log is shown."""

    @property
    def place(self) -> str:
        """Which job."""
        return f"Job {self._job}"

    def interest(self) -> Interest:
        """Its metrics and logs."""
        return Interest(jobs=[self._job], logs=[self._job])

    def body(self) -> Iterable[Widget]:
        """Summary, curves, log."""
        yield JobSummaryLines(self.view, self._job)
        yield Horizontal(LinePlot(id="plot-first"), LinePlot(id="plot-second"), id="curves")
        yield Log(max_lines=LOG_LINES, id="log")

    def on_mount(self) -> None:
        """Fetch what was before, then follow."""
        super().on_mount()
        self._load()

    def chosen_job(self) -> JobSummary | None:
        """This job."""
        return self.view.store.jobs.get(self._job)

    def paint(self) -> None:
        """Show the present; a new attempt or an end is looked at anew."""
        summary = self.chosen_job()
        lines = self.query_one(JobSummaryLines)
        lines.record = self._record
        lines.repaint()
        if summary is None:
            return
        ended_unseen = (
            self._record is not None
            and summary.state in ENDED
            and self._record.summary.state not in ENDED
        )
        if summary.attempt != self._attempt or ended_unseen:
            self._attempt = summary.attempt
            self._load()

    def on_metrics_arrived(self, message: MetricsArrived) -> None:
        """New points."""
        metrics = [metric for metric in message.metrics if metric.job == self._job]
        if metrics:
            self._curves.add(metrics)
            self._paint_curves()

    def on_log_arrived(self, message: LogArrived) -> None:
        """New lines."""
        for piece in message.pieces:
            if piece.job == self._job and piece.attempt == self._attempt:
                self._write(piece.rank, piece.offset, piece.text)

    def action_logs(self) -> None:
        """The log alone, or beside the curves."""
        self.toggle_class("-log-alone")

    def action_copy(self) -> None:
        """The command line that follows this job."""
        self.console_app.copy(f"llmos logs {self._job} -f")

    def _load(self) -> None:
        self.run_worker(
            self._fetch(), group="job", exclusive=True, description="fetches the job's past"
        )

    async def _fetch(self) -> None:
        app = self.console_app
        client = await app.attempt(app.connected())
        if client is None:
            return
        record = await app.attempt(client.job(self._job))
        if record is None:
            return
        self._record = record
        self._attempt = record.summary.attempt
        if record.summary.attempt:
            curves = await app.attempt(client.series(self._job, points=1000))
            pieces = await app.attempt(client.logs(self._job, lines=TAIL_LINES))
            self._curves.load(curves or [])
            self.query_one("#log", Log).clear()
            self._log_ends.clear()
            for piece in pieces or []:
                self._write(piece.rank, piece.offset, piece.text)
        self._paint_curves()
        self.repaint()

    def _write(self, rank: int, offset: int, text: str) -> None:
        """Append to the log what is not there yet."""
        end = offset + len(text.encode(errors="replace"))
        if end <= self._log_ends.get(rank, 0):
            return
        self._log_ends[rank] = end
        summary = self.chosen_job()
        if summary is not None and summary.ranks > 1:
            text = "".join(f"[{rank}] {line}" for line in text.splitlines(keepends=True))
        self.query_one("#log", Log).write(text)

    def _paint_curves(self) -> None:
        first, second = self._curves.plots()
        self.query_one("#plot-first", LinePlot).show(*first)
        self.query_one("#plot-second", LinePlot).show(*second)
