"""What a job's ranks printed, each byte once, however it arrives."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from ...agents.protocol.jobs import LogLine, LogPiece
from .printing import clock
from .terminal import Terminal

if TYPE_CHECKING:
    from ...agents.fleet.client import Client
    from ...agents.node.reports.merged import Search


class Choice(NamedTuple):
    """Which lines are shown, and how."""

    search: str | None = None
    """As `agents.node.reports.merged.Search` takes it; None for all lines."""

    fold: bool = True
    """Whether what ranks said alike is one line. What they say from now on comes as it comes."""

    times: bool = False
    """Whether each line begins with its time."""


EVERYTHING: Final = Choice()


class LogLines:
    """Prints the logs of one job: of one rank as they stand, else line by line, by time.

    `ranks` is one, several, or None for all. `marked` puts before each line whose it is. Pieces of
    a stream may begin anywhere, overlap what was read, or be missing: the offset says, and what is
    missing is asked for.
    """

    def __init__(
        self,
        client: "Client",
        job: str,
        terminal: Terminal,
        ranks: int | frozenset[int] | None,
        *,
        marked: bool,
        choice: Choice = EVERYTHING,
    ) -> None:
        self._client = client
        self._job = job
        self._terminal = terminal
        self._ranks = frozenset({ranks}) if isinstance(ranks, int) else ranks
        self._only = min(self._ranks) if self._ranks and len(self._ranks) == 1 else None
        """The one rank to ask for; None for all."""

        self._marked = marked
        self._choice = choice
        self._by_line = marked or choice.search is not None or choice.times
        self._search = _search(choice.search)
        self._attempt = 0
        self._ends: dict[int, int] = {}
        """Where to read on, by rank."""

        self._begun: dict[int, str] = {}
        """The beginning of a line that is not complete yet, by rank."""

    async def last(self, lines: int, *, follow: bool = False) -> None:
        """Print the last lines; to `follow`, up to where the next ones will be printed from."""
        if self._by_line:
            await self._last_by_time(lines, follow=follow)
            return
        for piece in await self._pieces(lines=lines):
            self._attempt = piece.attempt
            self._print(piece)

    async def take(self, piece: LogPiece) -> None:
        """Print a piece of the stream, and what lies between it and what was printed."""
        if not self._shows(piece.rank) or piece.attempt < self._attempt:
            return
        self._follow_attempt(piece.attempt)
        end = self._ends.get(piece.rank, 0)
        if piece.offset == end:
            self._print(piece)
        elif piece.end > end:
            await self._read_on(piece.rank)

    async def read_on(self, attempt: int) -> None:
        """Print all that was written until now."""
        self._follow_attempt(attempt)
        for piece in await self._pieces(lines=0):
            await self._read_on(piece.rank)

    def close(self) -> None:
        """Print the lines that never came to their end."""
        self._say_now([(rank, text) for rank, text in self._begun.items() if text])
        self._begun.clear()

    async def _last_by_time(self, lines: int, *, follow: bool) -> None:
        if follow:
            for piece in await self._pieces(lines=1):
                self._attempt = piece.attempt
                # A line that is not complete yet is printed once it is.
                complete = piece.text[-1:] in ("", "\n")
                self._ends[piece.rank] = piece.end if complete else piece.offset
        self._say(
            await self._client.lines(
                self._job,
                lines=lines,
                ranks=self._ranks,
                search=self._choice.search,
                fold=self._choice.fold,
                ends=self._ends if follow else None,
            )
        )

    async def _pieces(self, *, lines: int) -> list[LogPiece]:
        found = await self._client.logs(self._job, self._only, lines=lines)
        return [piece for piece in found if self._shows(piece.rank)]

    async def _read_on(self, rank: int) -> None:
        while True:
            offset = self._ends.get(rank, 0)
            for piece in await self._client.logs(self._job, rank, offset=offset):
                self._print(piece)
            if self._ends.get(rank, 0) == offset:
                return

    def _shows(self, rank: int) -> bool:
        return self._ranks is None or rank in self._ranks

    def _follow_attempt(self, attempt: int) -> None:
        """A new attempt writes new logs."""
        if attempt > self._attempt:
            self.close()
            self._ends.clear()
            self._attempt = attempt

    def _print(self, piece: LogPiece) -> None:
        self._ends[piece.rank] = piece.end
        if not piece.text:
            return
        if not self._by_line:
            self._terminal.out(piece.text)
            return
        *lines, begun = (self._begun.get(piece.rank, "") + piece.text).split("\n")
        # A progress bar may paint on one line for hours; a carriage return may yet be followed by
        # the line's end.
        self._begun[piece.rank] = begun[begun.rfind("\r", 0, -1) + 1 :]
        self._say_now([(piece.rank, line) for line in lines])

    def _say_now(self, lines: list[tuple[int, str]]) -> None:
        """Print those of the lines that have just come which are looked for."""
        come = [
            LogLine(time=time.time(), ranks=[rank], text=_painted_last(line))
            for rank, line in lines
        ]
        self._say(line for line in come if self._search is None or self._search.finds(line.text))

    def _say(self, lines: Iterable[LogLine]) -> None:
        text = "".join(map(self._line, lines))
        if text:
            self._terminal.out(text)

    def _line(self, line: LogLine) -> str:
        when = f"{clock(line.time)} " if self._choice.times else ""
        return f"{when}{mark(line.ranks) if self._marked else ''}{line.text}\n"


def mark(ranks: list[int]) -> str:
    """Whose a line is, as "[3] " or "[0-5,7] ×7 "; `ranks` in order."""
    runs: list[tuple[int, int]] = []
    for rank in ranks:
        if runs and rank == runs[-1][1] + 1:
            runs[-1] = runs[-1][0], rank
        else:
            runs.append((rank, rank))
    said = ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs)
    return f"[{said}] ×{len(ranks)} " if len(ranks) > 1 else f"[{said}] "


def _painted_last(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]


def _search(text: str | None) -> "Search | None":
    """Raises RequestRefused for a regular expression that is none."""
    if not text:
        return None
    from ...agents.node.reports.merged import Search

    return Search(text)
