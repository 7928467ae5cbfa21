"""The text of a job's logs on one page: each byte once, each line with the rank that printed it."""

import re
from typing import Final

from ..agents.protocol.jobs import LogPiece

ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.?)", re.S)
"""What would steer the terminal: colours and titles, whole (ECMA-48)."""

CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

REPAINTED: Final = re.compile(r"[^\n]*\r(?!\n)")
"""What a progress bar painted over on the same line."""


class LogText:
    """Turns pieces, which may overlap what came before, into what is to be appended."""

    def __init__(self) -> None:
        self._ends: dict[int, int] = {}
        """By rank: the offset up to which its log is shown."""

        self._open: int | None = None
        """The rank whose line is not complete yet, at the end of the page."""

    def clear(self) -> None:
        """A new page."""
        self._ends.clear()
        self._open = None

    def taken(self, piece: LogPiece, *, marked: bool) -> str:
        """What a piece adds to the page; `marked` puts the rank before each line."""
        if piece.end <= self._ends.get(piece.rank, 0):
            return ""
        text = plain(self._unseen(piece))
        self._ends[piece.rank] = piece.end
        if not text:
            return ""
        goes_on = self._open == piece.rank
        broken = "\n" if self._open is not None and not goes_on else ""
        self._open = None if text.endswith("\n") else piece.rank
        return broken + (_marked(text, piece.rank, goes_on) if marked else text)

    def _unseen(self, piece: LogPiece) -> str:
        seen = self._ends.get(piece.rank, 0) - piece.offset
        return piece.text if seen <= 0 else piece.text.encode()[seen:].decode(errors="replace")


def plain(text: str) -> str:
    """A text as a page shows it: no escape sequences, of a repainted line the last painting."""
    text = REPAINTED.sub("", ESCAPES.sub("", text).replace("\r\n", "\n"))
    return CONTROLS.sub("", text)


def _marked(text: str, rank: int, goes_on: bool) -> str:
    mark = f"[{rank}] "
    body = text.removesuffix("\n")
    return ("" if goes_on else mark) + body.replace("\n", f"\n{mark}") + text[len(body) :]
