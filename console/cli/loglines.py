"""What a job's ranks printed, each byte once and in order, however it arrives."""

from typing import TYPE_CHECKING, Final

from ...agents.protocol.jobs import LogPiece
from .terminal import Terminal

if TYPE_CHECKING:
    from ...agents.fleet.client import Client

EVERY_RANK: Final = None


class LogLines:
    """Prints the logs of one job: of one rank as they stand, of several with a mark on each line.

    Pieces of a stream may begin anywhere, overlap what was read, or be missing: the offset says,
    and what is missing is asked for.
    """

    def __init__(
        self, client: "Client", job: str, terminal: Terminal, rank: int | None, *, marked: bool
    ) -> None:
        self._client = client
        self._job = job
        self._terminal = terminal
        self._rank = rank
        """The one rank to show; None for all."""

        self._marked = marked
        self._attempt = 0
        self._ends: dict[int, int] = {}
        """Where to read on, by rank."""

        self._begun: dict[int, str] = {}
        """The beginning of a line that is not complete yet, by rank."""

    async def last(self, lines: int) -> None:
        """Print the last lines, and go on from there."""
        for piece in await self._client.logs(self._job, self._rank, lines=lines):
            self._attempt = piece.attempt
            self._print(piece)

    async def take(self, piece: LogPiece) -> None:
        """Print a piece of the stream, and what lies between it and what was printed."""
        if self._rank not in (EVERY_RANK, piece.rank) or piece.attempt < self._attempt:
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
        for piece in await self._client.logs(self._job, self._rank, lines=0):
            await self._read_on(piece.rank)

    def close(self) -> None:
        """Print the lines that never came to their end."""
        for rank, text in self._begun.items():
            if text:
                self._terminal.out(f"[rank {rank}] {text}\n")
        self._begun.clear()

    async def _read_on(self, rank: int) -> None:
        while True:
            offset = self._ends.get(rank, 0)
            for piece in await self._client.logs(self._job, rank, offset=offset):
                self._print(piece)
            if self._ends.get(rank, 0) == offset:
                return

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
        if not self._marked:
            self._terminal.out(piece.text)
            return
        text = self._begun.get(piece.rank, "") + piece.text
        whole, newline, rest = text.rpartition("\n")
        self._begun[piece.rank] = rest
        if newline:
            marked = "".join(f"[rank {piece.rank}] {line}\n" for line in whole.split("\n"))
            self._terminal.out(marked)
