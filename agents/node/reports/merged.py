"""The logs of all ranks as one: by time, searched, and what several ranks say alike only once.

Logs are read backward from their ends, in blocks, no further than is needed and never further than
SEARCHED: a search through a huge log is cheap, and looks only at its end.
"""

import contextlib
import heapq
import os
import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, NamedTuple

from ...errors import RequestRefused
from ...protocol.jobs import LogLine
from ..regularfile import open_regular
from ..task.logindex import LogTimes, times
from ..task.taskfolder import TaskFolder
from .logs import LAST_LINES, kept_from

SEARCHED: Final = 64 * 2**20
"""Bytes read at most for one answer, in equal shares of all ranks."""

FOLDED_WITHIN: Final = 2.0
"""Seconds between the first and the last rank that say the same as one line."""

LONGEST_LINE: Final = 2**14
"""Bytes of a line that are shown, its last ones: a progress bar may paint megabytes on one line."""

_SPARE: Final = 1000
"""Lines read before the first that is shown, so that most of the ranks that said it are known."""

_BLOCKS: Final = (2**16, 2**20)
"""Bytes read at once: at first, and after doubling again and again."""

_LEFT_OUT: Final = "…".encode()
_OWN_NUMBER = re.compile(r"(?i)((?:rank|cuda)[\s:=#_\[(-]{0,3})(\d{1,6})\b")


class RankLine(NamedTuple):
    """A line of one rank, as it stands in its log."""

    time: float
    rank: int
    text: str


class _Wanted(NamedTuple):
    search: "Search | None"
    before: float | None
    limit: int
    """Bytes of a rank's log that may be read."""


class Search:
    """What lines are looked for: a text, whatever its case, or `/a regular expression/`.

    Raises RequestRefused for an expression that is none.
    """

    def __init__(self, text: str) -> None:
        self._regex: re.Pattern[str] | None = None
        self._bytes = b""
        """In every line that is found, in lower case; empty where bytes tell nothing."""

        self._text = text.casefold()
        if len(text) > 2 and text[0] == text[-1] == "/":
            self._regex = _compiled(text[1:-1])
        elif text.isascii():
            self._bytes = text.lower().encode()

    def may_find(self, data: bytes) -> bool:
        """Quickly, whether any line in `data` may be one that is looked for."""
        return self._bytes in data.lower() if self._bytes else True

    def finds(self, text: str) -> bool:
        """Whether a line is one that is looked for."""
        if self._regex is not None:
            return self._regex.search(text) is not None
        return self._text in text.casefold()


def merged(
    folder: TaskFolder,
    *,
    lines: int = 200,
    ranks: Collection[int] | None = None,
    search: str | None = None,
    before: float | None = None,
    after: float | None = None,
    fold: bool = True,
    ends: Mapping[int, int] | None = None,
) -> list[LogLine]:
    """The newest lines, at most so many and LAST_LINES, oldest first; lines of a rank keep order.

    Only of `ranks`, of what `search` finds (see `Search`), of what was printed earlier than
    `before` and later than `after`, in seconds since 1970. With `fold`, a text that several ranks
    printed within FOLDED_WITHIN is one line; `before` then holds for its first rank. `ends` names
    by rank the offsets up to which logs are read, and no other ranks: who goes on from there misses
    no line and sees none twice. Of a line that a progress bar painted over, the last painting
    counts. Raises RequestRefused for a search that is no regular expression. Blocks: not for an
    event loop.
    """
    lines = min(lines, LAST_LINES)
    found = Search(search) if search else None
    if lines <= 0:
        return []
    chosen = [
        rank
        for rank in folder.ranks_with_logs()
        if (ranks is None or rank in ranks) and (ends is None or rank in ends)
    ]
    upto = before + FOLDED_WITHIN if fold and before is not None else before
    wanted = _Wanted(found, upto, SEARCHED // max(1, len(chosen)))
    with contextlib.ExitStack() as stack:
        logs = []
        for rank in chosen:
            log = _backward(folder, rank, wanted, None if ends is None else ends[rank])
            logs.append(stack.enter_context(contextlib.closing(log)))
        newest_first: Iterator[RankLine] = heapq.merge(*logs, key=_by_time, reverse=True)
        if after is not None:
            newest_first = _later(newest_first, after)
        if fold:
            return _newest_folded(newest_first, lines, before)
        newest = list(islice(newest_first, lines))
    return [LogLine(time=line.time, ranks=[line.rank], text=line.text) for line in newest[::-1]]


def folded(lines: Iterable[RankLine]) -> list[LogLine]:
    """Lines in order of time, those that several ranks said alike as one, where the first stands.

    A line is never put ahead of one that its rank printed earlier.
    """
    found: list[LogLine] = []
    said: dict[str, list[int]] = {}
    """Places in `found` of each text."""

    newest: dict[int, int] = {}
    """The place of each rank's newest line."""

    for line in lines:
        places = said.setdefault(_without_own_number(line), [])
        at = bisect_right(places, newest.get(line.rank, -1))
        earliest = line.time - FOLDED_WITHIN
        at = bisect_left(places, earliest, lo=at, key=lambda place: found[place].time)
        if at == len(places):
            places.append(len(found))
            found.append(LogLine(time=line.time, ranks=[line.rank], text=line.text))
        else:
            insort(found[places[at]].ranks, line.rank)
        newest[line.rank] = places[at]
    return found


def _newest_folded(
    newest_first: Iterator[RankLine], lines: int, before: float | None
) -> list[LogLine]:
    """As many folded lines, from more and more single ones, until the oldest has all its ranks or
    a spare amount was read before it."""
    taken: list[RankLine] = []
    wanted = lines + _SPARE
    while True:
        taken += islice(newest_first, wanted - len(taken))
        found = folded(reversed(taken))
        found = [line for line in found if before is None or line.time < before]
        if len(taken) < wanted or len(found) >= lines + _SPARE:
            return found[-lines:]
        if len(found) >= lines and taken[-1].time < found[-lines].time - FOLDED_WITHIN:
            return found[-lines:]
        wanted *= 2


def _backward(
    folder: TaskFolder, rank: int, wanted: _Wanted, end: int | None
) -> Generator[RankLine, None, None]:
    """A rank's lines up to an offset, or all, the last one first."""
    when = times(folder, rank)
    end = when.end if end is None else min(end, when.end)
    if wanted.before is not None:
        end = min(end, when.reach(wanted.before))
    try:
        file = open_regular(folder.log(rank))
    except OSError:
        return
    with file:
        whole = end == when.end
        for upto, data in _stretches(file.fileno(), end, wanted.limit, whole=whole):
            if wanted.search is None or wanted.search.may_find(data):
                yield from _lines_of(rank, upto, data, when, wanted)


def _lines_of(
    rank: int, end: int, data: bytes, when: LogTimes, wanted: _Wanted
) -> Iterator[RankLine]:
    search, before = wanted.search, wanted.before
    position = end if data.endswith(b"\n") else end + 1
    for line in reversed(data.removesuffix(b"\n").split(b"\n")):
        last_byte = min(position, end) - 1
        position -= len(line) + 1
        if search is not None and not search.may_find(line):
            continue
        text = _painted_last(line).decode("utf-8", "replace")
        if search is not None and not search.finds(text):
            continue
        time = when.at(last_byte)
        if before is None or time < before:
            yield RankLine(time, rank, text)


def _painted_last(line: bytes) -> bytes:
    painted = line.rstrip(b"\r").rpartition(b"\r")[2]
    return painted if len(painted) <= LONGEST_LINE else _LEFT_OUT + painted[-LONGEST_LINE:]


def _stretches(
    descriptor: int, end: int, limit: int, *, whole: bool
) -> Iterator[tuple[int, bytes]]:
    """Whole lines in stretches of about a block, the last one first, each with where it ends.

    What stands at `end` is the end of a line if it is `whole`, else the line is left out. Of a line
    longer than LONGEST_LINE only its end is told. A hole, or the limit, ends it all.
    """
    bottom = kept_from(descriptor, max(0, end - limit), end)
    size, largest = _BLOCKS
    rest = b""
    """The line that was not whole in the last block, and its line break."""

    skipping = not whole
    position = end
    while position > bottom:
        start = max(bottom, position - size)
        size = min(2 * size, largest)
        data = os.pread(descriptor, position - start, start)
        position = start
        if skipping:
            data = data[: data.rfind(b"\n") + 1]
            skipping = not data
            end = start + len(data)
        data += rest
        # What begins the file begins a line; what begins a block, as a rule, does not.
        cut = 0 if start == 0 else data.find(b"\n", 0, -1) + 1 or len(data)
        if cut < len(data):
            yield end, data[cut:]
        rest = data[:cut]
        end -= len(data) - cut
        if len(rest) > LONGEST_LINE:
            yield end, rest
            rest, skipping = b"", True


def _later(newest_first: Iterator[RankLine], after: float) -> Iterator[RankLine]:
    for line in newest_first:
        if line.time <= after:
            return
        yield line


def _by_time(line: RankLine) -> tuple[float, int]:
    return line.time, line.rank


def _without_own_number(line: RankLine) -> str:
    """What a line says but for whose it is: "[rank3]:" of rank 3 is "[rank0]:" of rank 0."""
    own = str(line.rank)
    if own not in line.text:
        return line.text
    return _OWN_NUMBER.sub(
        lambda match: f"{match[1]}\0" if match[2] == own else match[0], line.text
    )


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise RequestRefused(f"search: /{pattern}/ is no regular expression: {error}") from error
