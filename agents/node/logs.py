"""What ranks print, in pieces: from an offset on, or the last lines. Never a whole big file."""

from pathlib import Path
from typing import Final

from ..protocol.jobs import LogPiece
from .taskfolder import TaskFolder

PIECE: Final = 2**16
"""Bytes of a piece at most."""

LAST_LINES: Final = 10_000
"""Lines from the end at most."""

_BLOCK: Final = 2**14
_WINDOW: Final = 2**20
"""Bytes from the end in which the last lines are looked for."""


class RankLog:
    """The log of one rank of one attempt."""

    def __init__(self, folder: TaskFolder, job: str, attempt: int, rank: int) -> None:
        self._path = folder.log(rank)
        self._job = job
        self._attempt = attempt
        self._rank = rank

    @property
    def size(self) -> int:
        """Bytes written so far: the offset at which the next ones will stand."""
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    def read(self, offset: int, limit: int = PIECE, *, ended: bool = False) -> LogPiece:
        """What stands at `offset`. A character cut by the limit, or not yet written to its end
        (unless the log has `ended`), is left for the next piece."""
        offset = max(0, offset)
        data = _bytes_at(self._path, offset, max(limit, 8))
        if not ended or len(data) >= limit:
            data = data[: len(data) - _cut_character(data)]
        return self._piece(offset, data)

    def last(self, lines: int) -> LogPiece:
        """The last lines."""
        end = self.size
        wanted = max(0, min(lines, LAST_LINES))
        start = _start_of_last(self._path, end, wanted)
        return self._piece(start, _bytes_at(self._path, start, end - start))

    def _piece(self, offset: int, data: bytes) -> LogPiece:
        return LogPiece(
            job=self._job,
            attempt=self._attempt,
            rank=self._rank,
            offset=offset,
            end=offset + len(data),
            text=data.decode("utf-8", "replace"),
        )


def pieces(
    folder: TaskFolder, order: tuple[str, int], rank: int | None, offset: int | None, lines: int
) -> list[LogPiece]:
    """Of one rank, or of every rank that printed: what stands at `offset`, else the last lines.

    `order` is job and attempt.
    """
    ranks = folder.ranks_with_logs() if rank is None else [rank]
    logs = [RankLog(folder, *order, rank) for rank in ranks]
    return [log.last(lines) if offset is None else log.read(offset) for log in logs]


def _bytes_at(path: Path, offset: int, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except OSError:
        return b""


def _start_of_last(path: Path, end: int, lines: int) -> int:
    """Where the last lines begin, looked for block by block from the end."""
    if lines == 0 or end == 0:
        return end
    # The newline that ends the last line begins no other.
    breaks = lines + (_bytes_at(path, end - 1, 1) == b"\n")
    position = end
    while position > max(0, end - _WINDOW):
        start = max(0, position - _BLOCK)
        block = _bytes_at(path, start, position - start)
        index = len(block)
        while (index := block.rfind(b"\n", 0, index)) >= 0:
            breaks -= 1
            if breaks == 0:
                return start + index + 1
        position = start
    return position


def _cut_character(data: bytes) -> int:
    """Bytes at the end that begin a UTF-8 character and do not complete it."""
    for length in range(1, min(3, len(data)) + 1):
        byte = data[-length]
        if byte & 0xC0 == 0x80:
            continue
        needed = 2 if byte >> 5 == 0b110 else 3 if byte >> 4 == 0b1110 else 4
        return length if byte >= 0xC0 and byte < 0xF8 and needed > length else 0
    return 0
