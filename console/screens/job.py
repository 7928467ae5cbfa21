"""Job: does it learn, how fast, what does it say, which rank lags, and how did it end?"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widget import Widget

from ...agents.protocol.facts import Interest
from ...agents.protocol.jobs import JobRecord, JobSummary
from ..actions import bindings
from ..jobcurves import JobCurves
from ..messages import LogArrived, MetricsArrived
from ..widgets.jobsummary import JobHistoryLines, JobSummaryLines
from ..widgets.partbar import PartBar
from ..widgets.plot import LinePlot
from ..widgets.prompt import Prompt
from .jobactions import JobActions
from .joblog import ALL, JobLogReader, RanksPrompt, SearchPrompt
from .jobranks import RankWatch

if TYPE_CHECKING:
    from ...agents.fleet.client import Client

EVENTS: Final = 1000
"""The newest of the node, among which those of this job are looked for."""

ALL_AT_ONCE: Final = (120, 34)
"""Columns and lines from which there is room for every part."""

PARTS: Final = ("Overview", "Ranks", "Log", "History")


class JobScreen(JobActions):
    """Its state, its curves, its ranks, its log, its history."""

    KIND = "job"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("job")]
    AUTO_FOCUS = "#log"

    DEFAULT_CSS = """
    JobScreen #curves { height: 1fr; min-height: 6; }
    JobScreen #curves LinePlot { width: 1fr; margin: 0 1; }
    JobScreen.-parts #summary { margin: 0; }
    JobScreen #ranks { margin: 0 0 1 0; }
    JobScreen #said { height: 1fr; }
    JobScreen #log { width: 2fr; margin: 0 1; }
    JobScreen #history { width: 1fr; }
    """

    def __init__(self, job: str) -> None:
        super().__init__()
        self._job = job
        self._curves = JobCurves()
        self._record: JobRecord | None = None
        self._attempt = 0
        self._asked: tuple[int, str] | None = None
        """The attempt and the state when the past was last asked for."""

        self._log = JobLogReader(self, job)
        self._ranks = RankWatch(self, job)
        self._part = PARTS[0]
        self._log_alone = False

    @property
    def place(self) -> str:
        """Which job."""
        return f"Job {self._job}"

    @property
    def heading_place(self) -> str:
        """With what is left out of the log, so that nobody misses it."""
        return f"{self.place} {self._log.chosen}".rstrip()

    def interest(self) -> Interest:
        """Its metrics and logs."""
        return Interest(jobs=[self._job], logs=[self._job])

    def body(self) -> Iterable[Widget]:
        """Summary, curves, ranks, log, history."""
        yield JobSummaryLines(self.view, self._job)
        yield PartBar()
        yield Horizontal(LinePlot(id="plot-first"), LinePlot(id="plot-second"), id="curves")
        yield self._ranks.strip
        history = VerticalScroll(JobHistoryLines(self.view), id="history")
        yield Horizontal(self._log.page, history, id="said")

    def on_mount(self) -> None:
        """Fetch what was before, then follow."""
        super().on_mount()
        self._ranks.begin(self._arrange)
        self.paint()

    def on_screen_suspend(self) -> None:
        """Not seen: nothing is asked."""
        self._ranks.follow(shown=False)

    def chosen_jobs(self) -> list[JobSummary]:
        """This job."""
        return [] if self._summary is None else [self._summary]

    def paint(self) -> None:
        """Show the present; a new attempt or state is looked at anew."""
        summary = self._summary
        lines = self.query_one(JobSummaryLines)
        lines.record = self._record
        lines.repaint()
        self._arrange()
        if self.query_one("#history").display:
            self.query_one(JobHistoryLines).repaint()
        now = (0, "") if summary is None else (summary.attempt, summary.state)
        if now != self._asked:
            self._asked = now
            self.run_worker(
                self._fetch(), group="job", exclusive=True, description="fetches the job's past"
            )

    def on_metrics_arrived(self, message: MetricsArrived) -> None:
        """New points."""
        mine = (self._job, self._attempt)
        metrics = [each for each in message.metrics if (each.job, each.attempt) == mine]
        if metrics:
            self._curves.add(metrics)
            self._paint_curves()

    def on_log_arrived(self, message: LogArrived) -> None:
        """New lines."""
        self._log.follow(message.pieces)

    def action_logs(self) -> None:
        """The log alone, or beside the rest."""
        if self._all_at_once:
            self._log_alone = not self._log_alone
            self._arrange()
        else:
            self.action_show_part(PARTS[0] if self._part == "Log" else "Log")

    def action_next_part(self) -> None:
        """The next part; where all are shown, the keys go to the next."""
        if self._all_at_once:
            self.focus_next()
        else:
            self.action_show_part(self.query_one(PartBar).beside(1))

    def action_part_before(self) -> None:
        """The part before, in the same way."""
        if self._all_at_once:
            self.focus_previous()
        else:
            self.action_show_part(self.query_one(PartBar).beside(-1))

    def action_show_part(self, part: str) -> None:
        """Show a part by its name, and give it the keys."""
        self._part = part
        self._arrange()
        self.repaint()
        self.query_one("#history" if part == "History" else "#log").focus()

    def action_search(self) -> None:
        """Open the line for words that the log's lines must contain."""
        self._ask_of_the_log(SearchPrompt(self._log))

    def action_ranks(self) -> None:
        """Open the line for the ranks whose lines are shown."""
        if self._ranks.count < 2:
            self.notify("this job has one rank", severity="warning")
        else:
            self._ask_of_the_log(RanksPrompt(self._log))

    def action_back(self) -> None:
        """Show all of the log again; where all is shown, go to the screen before."""
        if self._log.chosen != ALL:
            self._log.choose(ALL)
        else:
            super().action_back()

    def action_copy(self) -> None:
        """The command line that follows this job."""
        self.console_app.copy(f"llmos logs {self._job} -f")

    @property
    def _summary(self) -> JobSummary | None:
        return self.view.store.jobs.get(self._job)

    @property
    def _all_at_once(self) -> bool:
        return self.size.width >= ALL_AT_ONCE[0] and self.size.height >= ALL_AT_ONCE[1]

    @property
    def _parts(self) -> list[str]:
        return [part for part in PARTS if part != "Ranks" or self._ranks.count > 1]

    def _ask_of_the_log(self, prompt: Prompt) -> None:
        """Open a line about the log, which is to be seen then."""
        if self.query(Prompt):
            return
        if not self._log.page.display:
            self.action_show_part("Log")
        self.mount(prompt)

    def _arrange(self) -> None:
        """Show the parts for which there is room; what is not shown costs nothing."""
        wide, part = self._all_at_once, self._part
        rest = wide and not self._log_alone
        many, strip = self._ranks.count > 1, self._ranks.strip
        shown = {
            "#parts": not wide,
            "#curves": self._curves.known and (rest or (not wide and part == "Overview")),
            "#ranks": many and (strip.known if rest else not wide and part == "Ranks"),
            "#log": wide or part != "History",
            "#history": rest or (not wide and part == "History"),
        }
        for name, display in shown.items():
            widget = self.query_one(name)
            if widget.display != display:
                widget.display = display
        strip.most = max(self.size.height // 5 if wide else self.size.height - 16, 4)
        self.set_class(not wide, "-parts")
        self.query_one(PartBar).show(self._parts, part)
        self._ranks.follow(shown=many and (rest or shown["#ranks"]))

    async def _fetch(self) -> None:
        app = self.console_app
        client = await app.attempt(app.connected())
        record = None if client is None else await app.attempt(client.job(self._job))
        if client is None or record is None:
            self._asked = None  # the next update asks again
            return
        self._record = record
        self._attempt = record.summary.attempt
        if self._attempt:
            self._curves.load(await app.attempt(client.series(self._job, points=1000)) or [])
            self._log.read(self._attempt)
        self._paint_curves()
        await self._fetch_events(client)
        self.repaint()

    async def _fetch_events(self, client: "Client") -> None:
        """What the node tells of this job, for the history."""
        events = await self.console_app.attempt(client.events(EVENTS)) or []
        history = self.query_one(JobHistoryLines)
        history.record = self._record
        history.events = [event for event in events if event.job == self._job]

    def _paint_curves(self) -> None:
        for plot, (curves, axes) in zip(self.query(LinePlot), self._curves.plots(), strict=True):
            plot.display = bool(curves)
            if curves:
                plot.show(curves, axes)
        self._arrange()
