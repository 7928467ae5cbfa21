"""The text of a job's logs on one page: each byte once, each line with the ranks that said it."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from ..agents.protocol.jobs import LogLine, LogPiece
from .widgets.glyphs import glyphs
from .widgets.pen import spoken

ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.?)", re.S)
"""What would steer the terminal: colours and titles, whole (ECMA-48)."""

CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

REPAINTED: Final = re.compile(r"[^\n]*\r(?!\n)")
"""What a progress bar painted over on the same line."""


class LogFilter(NamedTuple):
    """Which lines are shown."""

    ranks: frozenset[int] = frozenset()
    """Empty for all."""

    search: str = ""
    """What a line must contain, whatever its capitals, or `/a regular expression/`; empty for
    anything. The agent reads it in the same way."""

    def __str__(self) -> str:
        """As the heading says it."""
        said = [f"ranks {ranks_said(self.ranks)}"] if self.ranks else []
        return " ".join([*said, *([f"/{self.search}"] if self.search else [])])


class LogText:
    """Turns lines of the past, and pieces that follow, into what is to be appended."""

    def __init__(self) -> None:
        self._filter = LogFilter()
        self._ends: dict[int, int] = {}
        """By rank: the offset up to which its log is shown."""

        self._open: int | None = None
        """The rank whose line is not complete yet, at the end of the page."""

        self._held: dict[int, str] = {}
        """By rank: a line that is searched once it is complete."""

    def clear(self, chosen: LogFilter | None = None) -> None:
        """A new page, of the lines that a filter lets through."""
        self._filter = chosen or LogFilter()
        self._ends.clear()
        self._held.clear()
        self._open = None

    def past(self, lines: Sequence[LogLine], ends: Mapping[int, int], *, marked: bool) -> str:
        """The page's beginning: lines that the agent has merged and chosen.

        `ends` are the offsets, by rank, up to which the agent read.
        """
        self._ends |= ends
        said = [_folded(line) if marked else plain(line.text) for line in lines]
        return "".join(f"{text}\n" for text in said)

    def taken(self, piece: LogPiece, *, marked: bool) -> str:
        """What a piece adds to the page; `marked` puts the rank before each line."""
        if piece.end <= self._ends.get(piece.rank, 0):
            return ""
        text = plain(self._unseen(piece))
        self._ends[piece.rank] = piece.end
        text = self._chosen(piece.rank, text)
        if not text:
            return ""
        goes_on = self._open == piece.rank
        broken = "\n" if self._open is not None and not goes_on else ""
        self._open = None if text.endswith("\n") else piece.rank
        return broken + (_marked(text, piece.rank, goes_on) if marked else text)

    def _unseen(self, piece: LogPiece) -> str:
        seen = self._ends.get(piece.rank, 0) - piece.offset
        return piece.text if seen <= 0 else piece.text.encode()[seen:].decode(errors="replace")

    def _chosen(self, rank: int, text: str) -> str:
        """What the filter lets through; a search looks at whole lines only."""
        if self._filter.ranks and rank not in self._filter.ranks:
            return ""
        if not self._filter.search:
            return text
        *lines, self._held[rank] = (self._held.get(rank, "") + text).split("\n")
        finds = _finder(self._filter.search)
        return "".join(f"{line}\n" for line in lines if finds(line))


def plain(text: str) -> str:
    """A text as a page shows it: no escape sequences, of a repainted line the last painting."""
    text = REPAINTED.sub("", ESCAPES.sub("", text).replace("\r\n", "\n"))
    return CONTROLS.sub("", text)


def ranks_said(ranks: Iterable[int]) -> str:
    """Ranks in few words, as "0-3,6"."""
    runs: list[list[int]] = []
    for rank in sorted(ranks):
        if runs and rank == runs[-1][-1] + 1:
            runs[-1].append(rank)
        else:
            runs.append([rank])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


def ranks_read(text: str, known: Collection[int]) -> frozenset[int]:
    """The ranks that words as "0-3, 6" name. Raises ValueError with what was expected."""
    chosen: set[int] = set()
    for part in text.replace(",", " ").split():
        first, dash, last = part.partition("-")
        if not (first.isdecimal() and (last if dash else first).isdecimal()):
            raise ValueError(f"ranks: expected numbers as 0,3-5, got {part}")
        chosen.update(range(int(first), int(last or first) + 1))
    unknown = sorted(chosen - set(known))
    if unknown:
        raise ValueError(f"ranks: there is no rank {unknown[0]}, but {ranks_said(known)}")
    return frozenset(chosen)


@lru_cache(maxsize=8)
def _finder(search: str) -> Callable[[str], object]:
    """Whether a line has what is searched; an expression that is none finds nothing."""
    if len(search) > 2 and search[0] == search[-1] == "/":
        try:
            return re.compile(search[1:-1]).search
        except re.error:
            return lambda line: False
    wanted = search.casefold()
    return lambda line: wanted in line.casefold()


def _folded(line: LogLine) -> str:
    count = f" ×{len(line.ranks)}" if len(line.ranks) > 1 else ""
    mark = spoken(f"[{ranks_said(line.ranks)}]{count}", glyphs())
    return f"{mark} {plain(line.text)}"


def _marked(text: str, rank: int, goes_on: bool) -> str:
    mark = f"[{rank}] "
    body = text.removesuffix("\n")
    return ("" if goes_on else mark) + body.replace("\n", f"\n{mark}") + text[len(body) :]
