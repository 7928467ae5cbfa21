"""Job: does it learn, how fast, what does it say, which rank lags, and how did it end?"""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widget import Widget
from textual.widgets import Input

from ...agents.errors import LlmosError
from ...agents.protocol.facts import Interest
from ...agents.protocol.jobs import ENDED, JobRecord, JobSummary, LogPiece, Metric
from ..actions import bindings
from ..jobcurves import JobCurves
from ..logtext import LogFilter, ranks_read, ranks_said
from ..messages import LogArrived, MetricsArrived
from ..widgets.jobsummary import JobHistoryLines, JobSummaryLines
from ..widgets.lines import Line, Lines
from ..widgets.logtail import JobLog
from ..widgets.plot import LinePlot
from ..widgets.prompt import Prompt
from ..widgets.rankstrip import RankStrip
from .jobactions import JobActions

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ...agents.fleet.client import Client
    from ...agents.protocol.jobs import LogLine

LOG_LINES: Final = 5000
TAIL_LINES: Final = 500
EVENTS: Final = 1000
"""The newest of the node, among which those of this job are looked for."""

RANK_SECONDS: Final = 3.0
"""Between two looks at the step times of all ranks, while they are shown."""

RANK_POINTS: Final = 6000
"""Of all ranks together: what one look costs."""

TYPING_SECONDS: Final = 0.25
"""After the last key, before the log is searched."""

ALL_AT_ONCE: Final = (120, 34)
"""Columns and lines from which there is room for every part."""

PARTS: Final = ("Overview", "Ranks", "Log", "History")


class PartBar(Lines):
    """The parts of the screen, where only one can be shown."""

    DEFAULT_CSS = """
    PartBar { padding: 0 1; height: 1; }
    """

    def __init__(self) -> None:
        super().__init__(id="parts")
        self.parts: list[str] = []
        self.part = ""

    def draw(self, width: int) -> list[Line]:
        """Their names, which a mouse can press; the one that is shown stands out."""
        roles = self.pen.roles
        line: list[Segment] = []
        for part in self.parts:
            shown = part == self.part
            press = Style(meta={"@click": f"screen.show_part('{part}')"}, underline=shown)
            line += [
                Segment(part, (roles.accent if shown else roles.dim) + press),
                Segment("   ", roles.base),
            ]
        return [[*line, Segment("Tab: the next", roles.faint)]]


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

        self._ranks_asked: tuple[int, bool] | None = None
        """The attempt, and whether it had ended, when its ranks' step times were last asked for."""

        self._filter = LogFilter()
        self._waiting: list[LogPiece] | None = None
        """What is printed while the past is being asked for; None while it is not."""

        self._part = PARTS[0]
        self._log_alone = False

    @property
    def place(self) -> str:
        """Which job."""
        return f"Job {self._job}"

    @property
    def heading_place(self) -> str:
        """With what is left out of the log, so that nobody misses it."""
        return f"{self.place} {self._filter}".rstrip()

    def interest(self) -> Interest:
        """Its metrics and logs."""
        return Interest(jobs=[self._job], logs=[self._job])

    def body(self) -> Iterable[Widget]:
        """Summary, curves, ranks, log, history."""
        yield JobSummaryLines(self.view, self._job)
        yield PartBar()
        yield Horizontal(LinePlot(id="plot-first"), LinePlot(id="plot-second"), id="curves")
        yield RankStrip(id="ranks")
        yield Horizontal(
            JobLog(max_lines=LOG_LINES, id="log"),
            VerticalScroll(JobHistoryLines(self.view), id="history"),
            id="said",
        )

    def on_mount(self) -> None:
        """Fetch what was before, then follow."""
        super().on_mount()
        self._ranks_timer = self.set_interval(RANK_SECONDS, self._look_at_ranks, pause=True)
        self.paint()

    def on_screen_suspend(self) -> None:
        """Not seen: nothing is asked."""
        self._ranks_timer.pause()

    def chosen_jobs(self) -> list[JobSummary]:
        """This job."""
        job = self._summary
        return [] if job is None else [job]

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
            self._load()

    def on_metrics_arrived(self, message: MetricsArrived) -> None:
        """New points."""
        metrics = [metric for metric in message.metrics if self._is_mine(metric)]
        if metrics:
            self._curves.add(metrics)
            self._paint_curves()

    def on_log_arrived(self, message: LogArrived) -> None:
        """New lines."""
        pieces = [piece for piece in message.pieces if self._is_mine(piece)]
        if self._waiting is not None:
            self._waiting += pieces
        else:
            self._write(pieces)

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
            self._step(1)

    def action_part_before(self) -> None:
        """The part before, in the same way."""
        if self._all_at_once:
            self.focus_previous()
        else:
            self._step(-1)

    def action_show_part(self, part: str) -> None:
        """Show a part by its name, and give it the keys."""
        self._part = part
        self._arrange()
        self.repaint()
        self.query_one("#history" if part == "History" else "#log").focus()

    def action_search(self) -> None:
        """Open the line for words that the log's lines must contain."""
        prompt = Prompt("/", self._filter.search)
        prompt.placeholder = "what a line must contain, or /a regular expression/; Escape: all"
        self._ask_for(prompt)

    def action_ranks(self) -> None:
        """Open the line for the ranks whose lines are shown."""
        ranks = self._ranks
        if ranks < 2:
            self.notify("this job has one rank", severity="warning")
            return
        prompt = Prompt("/", ranks_said(self._filter.ranks))
        prompt.kind = "ranks"
        prompt.placeholder = f"of ranks 0-{ranks - 1}, those to show, as 0,3-5; Escape: all"
        self._ask_for(prompt)

    def action_back(self) -> None:
        """Show all of the log again; where all is shown, go to the screen before."""
        if self._filter != LogFilter():
            self._choose(LogFilter())
        else:
            super().action_back()

    def action_copy(self) -> None:
        """The command line that follows this job."""
        self.console_app.copy(f"llmos logs {self._job} -f")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search as one types."""
        if isinstance(event.input, Prompt) and event.input.kind == "/":
            self._choose(self._filter._replace(search=event.value), TYPING_SECONDS)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the words, or show the ranks that they name."""
        prompt = event.input
        if not isinstance(prompt, Prompt) or prompt.kind == ":":
            return
        if prompt.kind == "ranks":
            try:
                ranks = ranks_read(event.value, range(self._ranks))
            except ValueError as error:
                self.notify(str(error), severity="error")
                return
            self._choose(self._filter._replace(ranks=ranks))
        prompt.leave()

    def on_prompt_left(self, event: Prompt.Left) -> None:
        """Show all again."""
        kind = event.prompt.kind
        if kind != ":":
            event.stop()
            every = LogFilter()
            left = {"search": every.search} if kind == "/" else {"ranks": every.ranks}
            self._choose(self._filter._replace(**left))
            event.prompt.leave()

    @property
    def _summary(self) -> JobSummary | None:
        return self.view.store.jobs.get(self._job)

    @property
    def _ranks(self) -> int:
        summary = self._summary
        return 1 if summary is None else summary.ranks

    @property
    def _ended_at_the_log_end(self) -> bool:
        """Whether the job has ended, and nobody reads further up: then the log is read to its end,
        whatever the stream has missed."""
        log = self.query_one(JobLog)
        summary = self._summary
        return summary is not None and summary.state in ENDED and log.is_vertical_scroll_end

    @property
    def _all_at_once(self) -> bool:
        return self.size.width >= ALL_AT_ONCE[0] and self.size.height >= ALL_AT_ONCE[1]

    @property
    def _parts(self) -> list[str]:
        return [part for part in PARTS if part != "Ranks" or self._ranks > 1]

    def _ask_for(self, prompt: Prompt) -> None:
        """Open a line about the log, which is to be seen then."""
        if self.query(Prompt):
            return
        if not self.query_one(JobLog).display:
            self.action_show_part("Log")
        self.mount(prompt)

    def _step(self, by: int) -> None:
        parts = self._parts
        at = parts.index(self._part) if self._part in parts else 0
        self.action_show_part(parts[(at + by) % len(parts)])

    def _arrange(self) -> None:
        """Show the parts for which there is room; what is not shown costs nothing."""
        wide, part = self._all_at_once, self._part
        rest = wide and not self._log_alone
        strip = self.query_one(RankStrip)
        shown = {
            "#parts": not wide,
            "#curves": self._curves.known and (rest or (not wide and part == "Overview")),
            "#ranks": self._ranks > 1 and (strip.known if rest else not wide and part == "Ranks"),
            "#log": wide or part != "History",
            "#history": rest or (not wide and part == "History"),
        }
        for name, display in shown.items():
            widget = self.query_one(name)
            if widget.display != display:
                widget.display = display
        strip.most = max(self.size.height // 5 if wide else self.size.height - 16, 4)
        self.set_class(not wide, "-parts")
        bar = self.query_one(PartBar)
        bar.parts, bar.part = self._parts, part
        bar.repaint()
        self._follow_ranks(self._ranks > 1 and (rest or shown["#ranks"]))

    def _follow_ranks(self, shown: bool) -> None:
        """Look at the ranks' step times at once where they have just come to be shown."""
        if not shown or not self.is_current:
            self._ranks_timer.pause()
            return
        self._ranks_timer.resume()
        if self._ranks_asked is None:
            self._look_at_ranks()

    def _look_at_ranks(self) -> None:
        """Ask, but for an attempt that has ended only once more."""
        summary = self._summary
        if summary is None or not summary.attempt:
            return
        now = (summary.attempt, summary.state in ENDED)
        if now != self._ranks_asked or not now[1]:
            self._ranks_asked = now
            self.run_worker(
                self._fetch_ranks(),
                group="ranks",
                exclusive=True,
                description="asks for step times",
            )

    async def _fetch_ranks(self) -> None:
        points = max(RANK_POINTS // self._ranks, 50)
        try:
            client = self.console_app.client
            curves = await client.step_times(self._job, points)
        except LlmosError:
            return  # the heading tells of an agent that is lost, and the next look asks again
        self.query_one(RankStrip).show(curves)
        self._arrange()

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
        new = record.summary.attempt != self._attempt
        self._record = record
        self._attempt = record.summary.attempt
        if self._attempt:
            self._curves.load(await app.attempt(client.series(self._job, points=1000)) or [])
            self._load_log(again=new or self._ended_at_the_log_end)
        self._paint_curves()
        await self._fetch_events(client)
        self.repaint()

    async def _fetch_events(self, client: "Client") -> None:
        """What the node tells of this job, for the history."""
        events = await self.console_app.attempt(client.events(EVENTS)) or []
        history = self.query_one(JobHistoryLines)
        history.record = self._record
        history.events = [event for event in events if event.job == self._job]

    def _is_mine(self, said: LogPiece | Metric) -> bool:
        return said.job == self._job and said.attempt == self._attempt

    def _choose(self, chosen: LogFilter, delay: float = 0.0) -> None:
        """Show other lines of the log."""
        if chosen != self._filter:
            self._filter = chosen
            self.repaint_heading()
            self._load_log(delay=delay)

    def _load_log(self, *, again: bool = True, delay: float = 0.0) -> None:
        """Ask for the log's past, unless it stands there already."""
        if again and self._attempt:
            self.run_worker(
                self._fetch_log(delay), group="log", exclusive=True, description="reads the log"
            )

    async def _fetch_log(self, delay: float) -> None:
        await asyncio.sleep(delay)
        app = self.console_app
        self._waiting = self._waiting or []
        client = await app.attempt(app.connected())
        if client is not None:
            await self._read_log(client)
        waiting, self._waiting = self._waiting, None
        self._write(waiting)

    async def _read_log(self, client: "Client") -> None:
        """The last lines: of one rank as they stand, of several as the agent merges them."""
        app, chosen, log = self.console_app, self._filter, self.query_one(JobLog)
        merged = self._ranks > 1 or chosen != LogFilter()
        lines, ends = None, {}
        if merged:
            newest = await app.attempt(client.logs(self._job, lines=1)) or []
            ends = {piece.rank: piece.end for piece in newest}
            lines = await app.attempt(self._asked_lines(client, ends)) if ends else []
        pieces = (
            [] if lines is not None else await app.attempt(client.logs(self._job, lines=TAIL_LINES))
        )
        log.marked = self._ranks > 1
        log.begin(chosen)
        log.load(lines or [], ends if lines is not None else {})
        self._write(pieces or [])

    def _asked_lines(
        self, client: "Client", ends: dict[int, int]
    ) -> "Coroutine[Any, Any, list[LogLine]]":
        return client.lines(
            self._job,
            lines=TAIL_LINES,
            ranks=self._filter.ranks or None,
            search=self._filter.search or None,
            ends=ends,
        )

    def _write(self, pieces: Iterable[LogPiece]) -> None:
        """Append to the log what is not there yet; who has scrolled up stays where they read."""
        log = self.query_one(JobLog)
        log.marked = self._ranks > 1
        for piece in pieces:
            log.take(piece)

    def _paint_curves(self) -> None:
        first, second = self._curves.plots()
        for name, (curves, axes) in (("first", first), ("second", second)):
            plot = self.query_one(f"#plot-{name}", LinePlot)
            plot.display = bool(curves)
            if curves:
                plot.show(curves, axes)
        self._arrange()
