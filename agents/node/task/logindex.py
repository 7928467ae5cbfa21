"""When what stands in a rank's log was printed, and how much of it is kept.

Beside `logs/rank-R.log` stands `logs/rank-R.index`: records of (time, offset), each saying that at
that time the log ended at that offset. The shim keeps it; whoever merges logs reads it. Offsets
never move: of a log past its cap the head is made a hole (fallocate(2), FALLOC_FL_PUNCH_HOLE).
"""

import contextlib
import ctypes
import errno
import math
import os
import struct
from bisect import bisect_left, bisect_right
from pathlib import Path
from typing import Final, NamedTuple

from ..regularfile import open_regular, read_regular
from .taskfolder import TaskFolder

CAP: Final = 256 * 2**20
"""Bytes kept of a rank's log, at most; LLMOS_LOG_CAP sets another number."""

SHORTEST: Final = 0.25
LONGEST: Final = 1.0
"""Seconds between two looks: while something is printed, and while nothing is."""

RECORDS: Final = 2**15
"""Records in an index at most, two hours of steady printing: after that the older ones thin out."""

_RECORD: Final = struct.Struct("=dQ")
_PUNCH: Final = 0x01 | 0x02
"""FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE of linux/falloc.h."""

_PASSING: Final = frozenset({errno.EINTR, errno.ENOSPC})


class LogKeeper:
    """Keeps the indexes and the caps of a task's logs. Whatever the disk does, nothing is raised.

    `cap` is in bytes; None for what LLMOS_LOG_CAP says, else CAP.
    """

    def __init__(self, folder: TaskFolder, cap: int | None = None) -> None:
        self._folder = folder
        self._cap = _cap_of_environment() if cap is None else cap
        self._indexes: dict[int, _Index] = {}
        self._punched: dict[int, int] = {}
        """Where the hole at the head of a log ends, by rank."""

        self._can_punch = True
        self._pause = LONGEST

    def keep(self) -> float:
        """Look at each log once. The seconds after which to look again."""
        grown = [self._keep(rank) for rank in self._folder.ranks_with_logs()]
        self._pause = SHORTEST if any(grown) else min(2 * self._pause, LONGEST)
        return self._pause

    def _keep(self, rank: int) -> bool:
        """Whether the log has grown since the last look."""
        log = self._folder.log(rank)
        try:
            status = log.stat()
        except OSError:
            return False
        index = self._indexes.get(rank)
        if index is None:
            index = self._indexes[rank] = _Index(self._folder.index(rank))
        if status.st_size == index.end:
            return False
        # The file's own time is that of the last print, also where we looked long after it.
        index.append(status.st_mtime, status.st_size)
        if self._can_punch and status.st_size - self._punched.get(rank, 0) > self._cap:
            self._punch(rank, log, status)
        return True

    def _punch(self, rank: int, log: Path, status: os.stat_result) -> None:
        """Give the head's blocks back, and a quarter of the cap more: not at each look again."""
        end = status.st_size - self._cap * 3 // 4
        end -= end % (status.st_blksize or 4096)
        if end <= self._punched.get(rank, 0):
            return
        try:
            _punch_head(log, end)
        except OSError as error:
            self._can_punch = error.errno in _PASSING
        else:
            self._punched[rank] = end


class _Index:
    """The index of one log, being written: by us, perhaps after another that was killed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        self._limit = RECORDS * _RECORD.size
        self.end = 0
        """Where the log ended when it was last looked at."""

        with contextlib.suppress(OSError):
            # Of a record that was cut short, the next takes the place.
            data = read_regular(path)
            self._size = len(data) - len(data) % _RECORD.size
            if self._size:
                _, self.end = _RECORD.unpack_from(data, self._size - _RECORD.size)

    def append(self, time: float, end: int) -> None:
        """Note that the log ended at `end`. On a full disk this one is not noted."""
        self.end = end
        with contextlib.suppress(OSError):
            _write_at(self._path, self._size, _RECORD.pack(time, end))
            self._size += _RECORD.size
            if self._size >= self._limit:
                self._thin()

    def _thin(self) -> None:
        """Of the older three quarters leave half, evenly spread over their time."""
        self._limit += RECORDS * _RECORD.size // 4  # for the case that it cannot be done now
        data = read_regular(self._path)[: self._size]
        recent = len(data) // _RECORD.size // 4 * _RECORD.size
        thinned = _spread(data[:-recent], RECORDS * 3 // 8) + data[-recent:]
        new = self._path.with_suffix(".index.new")
        try:
            new.write_bytes(thinned)
            new.replace(self._path)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        self._size = len(thinned)
        self._limit = RECORDS * _RECORD.size


class LogTimes(NamedTuple):
    """When a log ended where: both columns rise, the last row is the log's present end.

    Empty for a log without content.
    """

    times: list[float]
    offsets: list[int]

    @property
    def end(self) -> int:
        """Where the log ends."""
        return self.offsets[-1] if self.offsets else 0

    def at(self, offset: int) -> float:
        """When the byte at an offset was printed, of a log that has content.

        What was printed between two looks is spread over the quarter of a second before the later,
        so that times rise with the offset. An hour of silence may lie before that.
        """
        row = min(bisect_right(self.offsets, offset), len(self.offsets) - 1)
        latest, end = self.times[row], self.offsets[row]
        begin = self.offsets[row - 1] if row else 0
        earliest = max(latest - SHORTEST, self.times[row - 1] if row else 0.0)
        ahead = max(0, end - 1 - offset) / (end - begin)
        return max(earliest, latest - (latest - earliest) * ahead)

    def reach(self, time: float) -> int:
        """An offset before which all stands that was printed earlier than `time`."""
        row = bisect_left(self.times, time)
        return self.offsets[row] if row < len(self.offsets) else self.end


def times(folder: TaskFolder, rank: int) -> LogTimes:
    """What the index of a rank's log says, as far as it is sound.

    Without an index all was printed when the log last changed.
    """
    try:
        status = folder.log(rank).stat()
    except OSError:
        return LogTimes([], [])
    found = _sound(_index_tail(folder.index(rank)), status.st_size)
    if found.end < status.st_size:
        found.times.append(max(status.st_mtime, *found.times[-1:], 0.0))
        found.offsets.append(status.st_size)
    return found


def _sound(data: bytes, size: int) -> LogTimes:
    """The records that fit a log of that size and those after them.

    After a clock that was set back, or a log that was cut, the later records are the true ones.
    """
    found = LogTimes([], [])
    latest, end = math.inf, size + 1
    whole = memoryview(data)[: len(data) - len(data) % _RECORD.size]
    for time, offset in reversed(list(_RECORD.iter_unpack(whole))):
        if 0 < offset < end and 0 < time < math.inf:
            latest, end = min(latest, time), offset
            found.times.append(latest)
            found.offsets.append(end)
    found.times.reverse()
    found.offsets.reverse()
    return found


def _spread(data: bytes, number: int) -> bytes:
    """About as many of the sound records, the first among them."""
    found = _sound(data, 2**64)
    if not found.times:
        return b""
    first = due = found.times[0]
    step = max((found.times[-1] - first) / number, 1e-3)
    kept = []
    for time, offset in zip(found.times, found.offsets, strict=True):
        if time >= due:
            kept.append(_RECORD.pack(time, offset))
            due = time - (time - first) % step + step
    return b"".join(kept)


def _index_tail(path: Path) -> bytes:
    """The newest records, twice as many as there should be at most."""
    try:
        with open_regular(path) as file:
            records = file.seek(0, os.SEEK_END) // _RECORD.size
            file.seek(max(0, records - 2 * RECORDS) * _RECORD.size)
            return file.read()
    except OSError:
        return b""


def _write_at(path: Path, offset: int, data: bytes) -> None:
    """Raises OSError, too, where only a part could be written."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        if os.pwrite(descriptor, data, offset) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


def _punch_head(path: Path, end: int) -> None:
    """Make what stands before `end` a hole. Raises OSError where that cannot be done."""
    call = ctypes.CDLL(None, use_errno=True).fallocate
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if call(descriptor, _PUNCH, 0, end) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)


def _cap_of_environment() -> int:
    said = os.environ.get("LLMOS_LOG_CAP", "")
    return int(said) if said.isascii() and said.isdecimal() else CAP
