"""Follows what the ranks of a running attempt write for others.

Their files may lie on a file system that hangs. So they are found and read on a thread of its own,
which nobody waits for: what was read is taken when it is there.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from ..reports.progress import Metric
from ..task.taskfolder import TaskFolder
from .found import READERS, Finder, Found

if TYPE_CHECKING:
    from .points import Reader

FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 15.0
"""Seconds between two looks for files: at first, and later on."""

SHARE: Final = 500
"""A look costs at most this part of a core: it is so many times as long to the next."""

READ_PERIOD: Final = 1.0
"""Seconds between two looks into the files."""

LAST_WAIT: Final = 2.0
"""Seconds at most for what is left to read once the processes are gone."""


class Read(NamedTuple):
    """A line of figures and where it was found."""

    found: Found
    line: Metric


class Foreign:
    """The foreign sources of one attempt. `pids` tells its ranks while they run."""

    def __init__(self, folder: TaskFolder, pids: Callable[[], Sequence[int]]) -> None:
        self._pids = pids
        self._finder = Finder(folder)
        self._readers: dict[str, Reader] = {}
        self._thread: threading.Thread | None = None
        self._read: list[Read] = []
        self._behind = bool(self._finder.found)
        self._next_round = 0.0
        self._next_look = 0.0
        self._pause = FIRST_PAUSE
        self._ran = False
        """Whether ranks were seen, whose last words are still to be read."""

        self._until = time.monotonic() + LAST_WAIT if self._behind else None
        """When the last words are no longer waited for: of ranks seen, or of those whose files an
        agent before this one found."""

    @property
    def pending(self) -> bool:
        """Whether the processes are gone and there may be more of what they wrote."""
        return self._until is not None and time.monotonic() < self._until

    def take(self) -> list[Read]:
        """What was read since, and let the next round begin where it is time."""
        if self._thread is not None and self._thread.is_alive():
            return []
        taken, self._read = self._read, []
        now = time.monotonic()
        pids = tuple(self._pids())
        ended = self._ran and not pids
        if ended:
            self._ran, self._until = False, now + LAST_WAIT
        elif self._thread is not None and not self._behind:
            self._until = None
        self._ran = self._ran or bool(pids)
        look = ended or (bool(pids) and now >= self._next_look)
        if look or self._behind or (self._finder.found and pids and now >= self._next_round):
            self._begin(pids, look=look)
        return taken

    def _begin(self, pids: Sequence[int], *, look: bool) -> None:
        self._next_round = time.monotonic() + READ_PERIOD
        self._thread = threading.Thread(
            target=self._round, args=(pids, look), name="foreign figures", daemon=True
        )
        self._thread.start()

    def _round(self, pids: Sequence[int], look: bool) -> None:
        if look:
            self._look(pids)
        behind = False
        for found in self._finder.found:
            reader = self._readers.get(found.path)
            if reader is None:
                reader = self._readers[found.path] = READERS[found.kind](found.path)
            self._read += [Read(found, line) for line in reader.read() if isinstance(line, Metric)]
            behind |= reader.behind
        self._behind = behind

    def _look(self, pids: Sequence[int]) -> None:
        began = time.monotonic()
        self._finder.look(pids)
        now = time.monotonic()
        self._next_look = now + max(self._pause, SHARE * (now - began))
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
