"""The log of the Job screen: what did the ranks print, and which of their lines are shown?

The reader asks the agent for the last lines, of the ranks and with the words that a person chose,
and adds what is printed from then on. It knows nothing of where on the screen its page is shown.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from textual.widgets import Input

from ...agents.protocol.jobs import ENDED, JobSummary, LogPiece
from ..logtext import LogFilter, ranks_read, ranks_said
from ..widgets.logtail import JobLog
from ..widgets.prompt import Prompt
from .live import LiveScreen

if TYPE_CHECKING:
    from ...agents.fleet.client import Client
    from ...agents.protocol.jobs import LogLine

LOG_LINES: Final = 5000
"""On the page; beyond, the oldest are let go."""

TAIL_LINES: Final = 500
"""Of the past."""

TYPING_SECONDS: Final = 0.25
"""After the last key, before the log is searched."""

ALL: Final = LogFilter()


class JobLogReader:
    """Reads the log of one job's newest attempt onto a page: its past, then what follows."""

    def __init__(self, screen: LiveScreen, job: str) -> None:
        self.page = JobLog(max_lines=LOG_LINES, id="log")
        """For the screen to show."""

        self.chosen = ALL
        """Which lines are shown."""

        self._screen = screen
        self._job = job
        self._attempt = 0
        self._waiting: list[LogPiece] | None = None
        """What is printed while the past is being asked for; None while it is not."""

    def read(self, attempt: int) -> None:
        """Read the log of an attempt, unless it stands on the page already.

        Once the job has ended, and nobody reads further up, it is read to its end, whatever the
        stream has missed.
        """
        summary = self._summary
        ended = summary is not None and summary.state in ENDED
        if attempt != self._attempt or (ended and self.page.is_vertical_scroll_end):
            self._attempt = attempt
            self._ask()

    def follow(self, pieces: Iterable[LogPiece]) -> None:
        """What has just been printed, of which the attempt's own is shown."""
        mine = [piece for piece in pieces if self._is_mine(piece)]
        if self._waiting is not None:
            self._waiting += mine
        else:
            self._write(mine)

    def choose(self, chosen: LogFilter, delay: float = 0.0) -> None:
        """Show other lines, after `delay` seconds in which a person may choose again."""
        if chosen != self.chosen:
            self.chosen = chosen
            self._screen.repaint_heading()
            self._ask(delay)

    @property
    def ranks(self) -> int:
        """Of the job."""
        summary = self._summary
        return 1 if summary is None else summary.ranks

    @property
    def _summary(self) -> JobSummary | None:
        return self._screen.view.store.jobs.get(self._job)

    def _is_mine(self, piece: LogPiece) -> bool:
        return piece.job == self._job and piece.attempt == self._attempt

    def _ask(self, delay: float = 0.0) -> None:
        if self._attempt:
            self._screen.run_worker(
                self._fetch(delay), group="log", exclusive=True, description="reads the log"
            )

    async def _fetch(self, delay: float) -> None:
        await asyncio.sleep(delay)
        app = self._screen.console_app
        self._waiting = self._waiting or []
        client = await app.attempt(app.connected())
        if client is not None:
            await self._begin(client)
        waiting, self._waiting = self._waiting, None
        self._write(waiting)

    async def _begin(self, client: "Client") -> None:
        """The last lines: of one rank as they stand, of several as the agent merges them."""
        attempt, chosen = self._screen.console_app.attempt, self.chosen
        merged = await self._merged(client) if self.ranks > 1 or chosen != ALL else None
        pieces = None
        if merged is None:
            pieces = await attempt(client.logs(self._job, lines=TAIL_LINES))
        self.page.marked = self.ranks > 1
        self.page.begin(chosen)
        self.page.load(*(merged or ([], {})))
        self._write(pieces or [])

    async def _merged(self, client: "Client") -> "tuple[list[LogLine], Mapping[int, int]] | None":
        """Lines as chosen, and by rank how far the agent read; None where it refuses."""
        attempt = self._screen.console_app.attempt
        newest = await attempt(client.logs(self._job, lines=1)) or []
        ends = {piece.rank: piece.end for piece in newest}
        if not ends:
            return [], {}
        ranks, search = self.chosen.ranks or None, self.chosen.search or None
        asked = client.lines(self._job, lines=TAIL_LINES, ranks=ranks, search=search, ends=ends)
        lines = await attempt(asked)
        return None if lines is None else (lines, ends)

    def _write(self, pieces: Iterable[LogPiece]) -> None:
        """Append what is not there yet; who has scrolled up stays where they read."""
        self.page.marked = self.ranks > 1
        for piece in pieces:
            self.page.take(piece)


class SearchPrompt(Prompt):
    """The line for words that the log's lines must contain: it searches as one types."""

    def __init__(self, reader: JobLogReader) -> None:
        super().__init__("/", reader.chosen.search)
        self.placeholder = "what a line must contain, or /a regular expression/; Escape: all"
        self._reader = reader

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search."""
        self._reader.choose(self._reader.chosen._replace(search=event.value), TYPING_SECONDS)

    def on_input_submitted(self) -> None:
        """Keep the words."""
        self.leave()

    def on_prompt_left(self, event: Prompt.Left) -> None:
        """Show all again."""
        event.stop()
        self._reader.choose(self._reader.chosen._replace(search=ALL.search))
        self.leave()


class RanksPrompt(Prompt):
    """The line for the ranks whose lines are shown."""

    def __init__(self, reader: JobLogReader) -> None:
        super().__init__("/", ranks_said(reader.chosen.ranks))
        last = reader.ranks - 1
        self.placeholder = f"of ranks 0-{last}, those to show, as 0,3-5; Escape: all"
        self._reader = reader

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Show the ranks that the words name."""
        try:
            ranks = ranks_read(event.value, range(self._reader.ranks))
        except ValueError as error:
            self.notify(str(error), severity="error")
            return
        self._reader.choose(self._reader.chosen._replace(ranks=ranks))
        self.leave()

    def on_prompt_left(self, event: Prompt.Left) -> None:
        """Show all again."""
        event.stop()
        self._reader.choose(self._reader.chosen._replace(ranks=ALL.ranks))
        self.leave()
