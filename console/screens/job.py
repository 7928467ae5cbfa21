"""Job: does it learn, how fast, what does it say, and how did it end?"""

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widget import Widget

from ...agents.protocol.facts import Interest
from ...agents.protocol.jobs import ENDED, JobRecord, JobSummary, LogPiece, Metric
from ..actions import bindings
from ..jobcurves import JobCurves
from ..logtext import LogText
from ..messages import LogArrived, MetricsArrived
from ..widgets.jobsummary import JobSummaryLines
from ..widgets.logtail import LogTail
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
    JobScreen #log { height: 1fr; margin: 0 1; }
    JobScreen.-log-alone #curves, JobScreen.-no-curves #curves { display: none; }
    """

    def __init__(self, job: str) -> None:
        super().__init__()
        self._job = job
        self._curves = JobCurves()
        self._record: JobRecord | None = None
        self._attempt = 0
        self._asked: tuple[int, bool] | None = None
        """The attempt, and whether it had ended, when its past was last asked for."""

        self._text = LogText()
        self.set_class(True, "-no-curves")

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
        yield LogTail(max_lines=LOG_LINES, id="log")

    def on_mount(self) -> None:
        """Fetch what was before, then follow."""
        super().on_mount()
        self.paint()

    def chosen_job(self) -> JobSummary | None:
        """This job."""
        return self.view.store.jobs.get(self._job)

    def paint(self) -> None:
        """Show the present; a new attempt or an end is looked at anew."""
        summary = self.chosen_job()
        lines = self.query_one(JobSummaryLines)
        lines.record = self._record
        lines.repaint()
        now = (0, False) if summary is None else (summary.attempt, summary.state in ENDED)
        if now != self._asked:
            self._asked = now
            self._load()

    def on_metrics_arrived(self, message: MetricsArrived) -> None:
        """New points."""
        metrics = [metric for metric in message.metrics if self._is_mine(metric)]
        if metrics:
            self._curves.add(metrics)
            self._paint_curves()

    def on_log_arrived(self, message: LogArrived) -> None:
        """New lines."""
        for piece in message.pieces:
            if self._is_mine(piece):
                self._write(piece)

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
        record = None if client is None else await app.attempt(client.job(self._job))
        if client is None or record is None:
            self._asked = None  # the next update asks again
            return
        self._record = record
        self._attempt = record.summary.attempt
        if record.summary.attempt:
            curves = await app.attempt(client.series(self._job, points=1000))
            pieces = await app.attempt(client.logs(self._job, lines=TAIL_LINES))
            self._curves.load(curves or [])
            self.query_one("#log", LogTail).clear()
            self._text.clear()
            for piece in pieces or []:
                self._write(piece)
        self._paint_curves()
        self.repaint()

    def _is_mine(self, said: LogPiece | Metric) -> bool:
        return said.job == self._job and said.attempt == self._attempt

    def _write(self, piece: LogPiece) -> None:
        """Append to the log what is not there yet; who has scrolled up stays where they read."""
        summary = self.chosen_job()
        text = self._text.taken(piece, marked=summary is not None and summary.ranks > 1)
        if text:
            self.query_one("#log", LogTail).append(text)

    def _paint_curves(self) -> None:
        self.set_class(not self._curves.known, "-no-curves")
        first, second = self._curves.plots()
        for name, (curves, axes) in (("first", first), ("second", second)):
            plot = self.query_one(f"#plot-{name}", LinePlot)
            plot.display = bool(curves)
            if curves:
                plot.show(curves, axes)
