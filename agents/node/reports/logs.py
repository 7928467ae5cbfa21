"""What ranks print, in pieces: from an offset on, or the last lines. Never a whole big file.

The head of a long log may be a hole (`logindex`): what is asked of it begins with the first whole
line that is kept, and offsets stay what they are.
"""

import os
from pathlib import Path
from typing import Final

from ...protocol.jobs import LogPiece
from ..regularfile import open_regular
from ..task.taskfolder import TaskFolder

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
            return self._path.lstat().st_size
        except OSError:
            return 0

    def read(self, offset: int, limit: int = PIECE, *, ended: bool = False) -> LogPiece:
        """What stands at `offset`, or, where that is no longer kept, after it. A character cut by
        the limit, or not yet written to its end (unless the log has `ended`), is left for the next
        piece."""
        limit = max(limit, 8)
        start, data = _kept_at(self._path, max(0, offset), limit)
        if not ended or len(data) >= limit:
            data = data[: len(data) - _cut_character(data)]
        return self._piece(start, data)

    def last(self, lines: int) -> LogPiece:
        """The last lines."""
        end = self.size
        wanted = max(0, min(lines, LAST_LINES))
        try:
            with open_regular(self._path) as file:
                start = _start_of_last(file.fileno(), end, wanted)
                return self._piece(start, os.pread(file.fileno(), end - start, start))
        except OSError:
            return self._piece(0, b"")

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


def kept_from(descriptor: int, start: int, end: int) -> int:
    """Where, from `start` on, the stretch without a hole begins that reaches up to `end`."""
    try:
        while start < end:
            start = os.lseek(descriptor, start, os.SEEK_DATA)
            hole = os.lseek(descriptor, start, os.SEEK_HOLE)
            if hole >= end:
                return start
            start = hole
    except OSError:
        pass  # nothing but a hole is left
    return end


def _kept_at(path: Path, offset: int, limit: int) -> tuple[int, bytes]:
    """The first bytes that are kept from an offset on, and where they stand."""
    try:
        with open_regular(path) as file:
            descriptor = file.fileno()
            start = os.lseek(descriptor, offset, os.SEEK_DATA)
            hole = os.lseek(descriptor, start, os.SEEK_HOLE)
            data = os.pread(descriptor, min(limit, hole - start), start)
    except OSError:
        return offset, b""
    skipped = data.find(b"\n") + 1 if start > offset else 0
    return start + skipped, data[skipped:]


def _start_of_last(descriptor: int, end: int, lines: int) -> int:
    """Where the last lines begin, looked for block by block from the end."""
    if lines == 0 or end == 0:
        return end
    # The newline that ends the last line begins no other.
    breaks = lines + (os.pread(descriptor, 1, end - 1) == b"\n")
    bottom = kept_from(descriptor, max(0, end - _WINDOW), end)
    position = end
    while position > bottom:
        start = max(bottom, position - _BLOCK)
        block = os.pread(descriptor, position - start, start)
        index = len(block)
        while (index := block.rfind(b"\n", 0, index)) >= 0:
            breaks -= 1
            if breaks == 0:
                return start + index + 1
        position = start
    return _first_whole_line(descriptor, bottom, end) if bottom else 0


def _first_whole_line(descriptor: int, start: int, end: int) -> int:
    """Where the first line begins that does not begin before `start`; there, if none ends."""
    newline = os.pread(descriptor, end - start, start).find(b"\n")
    return start + newline + 1 if 0 <= newline < end - start - 1 else start


def _cut_character(data: bytes) -> int:
    """Bytes at the end that begin a UTF-8 character and do not complete it."""
    for length in range(1, min(3, len(data)) + 1):
        byte = data[-length]
        if byte & 0xC0 == 0x80:
            continue
        needed = 2 if byte >> 5 == 0b110 else 3 if byte >> 4 == 0b1110 else 4
        return length if byte >= 0xC0 and byte < 0xF8 and needed > length else 0
    return 0
