"""Counters of the kernel that only grow, kept as read twice: rates come of their difference.

Reading is cheap and each sample does it; what is not in the sample is parsed when asked for.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Final

Table = Mapping[str, Sequence[int]]
"""The counters of each device, by its name."""

PIECE: Final = 1 << 16
"""Bytes asked for at once: most of these files whole."""

SECTOR: Final = 512
"""Bytes: the unit of /proc/diskstats, whatever the disk's own sectors are."""


class ProcFile:
    """A file of /proc that is kept open: it is made anew each time it is read from its start."""

    def __init__(self, path: str) -> None:
        self._file: int | None = None
        with suppress(OSError):
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> bytes:
        """All of it; empty where this kernel has no such file."""
        if self._file is None:
            return b""
        try:
            content = os.pread(self._file, PIECE, 0)
            while more := os.pread(self._file, PIECE, len(content)):
                content += more
            return content
        except OSError:  # /proc/pressure exists but refuses where the kernel was started so
            return b""

    def close(self) -> None:
        """Close it; it reads as empty from now on."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Counters:
    """A file of counters, as it was at the last two readings."""

    def __init__(self, path: str, parse: Callable[[bytes], Table]) -> None:
        self._file, self._parse = ProcFile(path), parse
        self._texts: tuple[bytes, bytes] = (b"", b"")
        self._times: tuple[float, float] = (0.0, 0.0)

    def read(self) -> None:
        """Read again."""
        self._times = self._times[1], monotonic()
        self._texts = self._texts[1], self._file.read()

    @property
    def seconds(self) -> float:
        """Between the two readings."""
        return self._times[1] - self._times[0]

    def differences(self, parse: Callable[[bytes], Table] | None = None) -> dict[str, list[int]]:
        """How far each counter grew, for the devices that were there both times.

        A counter that went back, as after a driver's reload, counts as not grown. `parse` looks
        at more or less of the file than usual.
        """
        before, after = ((parse or self._parse)(text) for text in self._texts)
        return {
            name: [max(b - a, 0) for a, b in zip(before[name], counts, strict=True)]
            for name, counts in after.items()
            if name in before
        }

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def processors(stat: bytes) -> Table:
    """Of /proc/stat: ticks at work and in all, by "cpu" for the whole and "cpuN" for each.

    Waiting for a disk is not work. What guests use is in the user's ticks already.
    """
    table = {}
    for line in stat.splitlines():
        if not line.startswith(b"cpu"):
            break
        name, *words = line.split()
        ticks = [int(word) for word in words[:8]]
        total = sum(ticks)
        table[name.decode()] = (total - ticks[3] - ticks[4], total)
    return table


def whole_processor(stat: bytes) -> Table:
    """Of /proc/stat: as `processors`, the first line alone."""
    return processors(stat[: stat.find(b"\n")])


def disks(diskstats: bytes) -> Table:
    """Of /proc/diskstats: bytes read and written by each block device."""
    table = {}
    for line in diskstats.splitlines():
        words = line.split(None, 10)
        table[words[2].decode()] = (int(words[5]) * SECTOR, int(words[9]) * SECTOR)
    return table


def networks(dev: bytes) -> Table:
    """Of /proc/net/dev: bytes received and sent by each interface."""
    table = {}
    for line in dev.splitlines()[2:]:
        name, _, counts = line.partition(b":")
        words = counts.split(None, 9)
        table[name.strip().decode()] = (int(words[0]), int(words[8]))
    return table
