"""The curves of an attempt, from the figures that its ranks wrote, for us or for others, thinned so
that spikes stay."""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

import msgspec

from ...protocol.jobs import Curve
from ..sources.found import READERS, load
from ..sources.points import Reader
from ..task import logindex
from ..task.taskfolder import TaskFolder
from .follower import OURS, PRINTED, figures_printed
from .progress import PLACES, Line, Metric, Tail, Value, parse

CURVE_LIMIT: Final = 256
"""Curves of one rank; figures with further names are left out."""

BYTES_OF_ALL: Final = 2**26
"""Of the ranks' own lines that are read for the curves of all; each rank has an equal share."""

ROOM: Final = 16
"""How many times the wanted points a curve may hold before it is thinned again."""


Row = Sequence[float | None]
"""Time, step and the figures asked for, of one line."""


class Point(NamedTuple):
    """One value and where it stands."""

    order: int
    step: float | None
    time: float | None
    value: float


class Thinned:
    """Keeps at most `limit` points of a curve of any length, in bounded memory.

    The curve is cut into stretches of equally many points, and of each the lowest and the highest
    are kept. The newest point is kept, too.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._points: list[Point] = []
        self.count = 0
        """Points that were added, kept or not."""

    def add(self, step: float | None, time: float | None, value: float) -> None:
        """A further point, later than those before it."""
        self._points.append(Point(self.count, step, time, value))
        self.count += 1
        if len(self._points) > ROOM * self._limit:
            self._points = self.points()

    def points(self) -> list[Point]:
        """What is left of the curve, in order."""
        if len(self._points) <= self._limit:
            return self._points
        width = -(-self.count // max(1, (self._limit - 1) // 2))
        kept = []
        for _, stretch in groupby(self._points, key=lambda point: point.order // width):
            points = list(stretch)
            values = [point.value for point in points]
            low, high = points[values.index(min(values))], points[values.index(max(values))]
            kept += [low] if low is high else sorted((low, high))
        if kept[-1] is not self._points[-1]:
            kept.append(self._points[-1])
        return kept


def curves(
    folder: TaskFolder,
    attempt: int,
    points: int,
    rank: int = 0,
    names: Collection[str] | None = None,
) -> list[Curve]:
    """Every figure that a rank measured, or those of these names, each with at most `points`
    points: from its own lines, then from each foreign source."""
    gathered = Gathered(rank, points, names)
    gathered.add_own(Tail(folder.progress(rank)))
    for source, reader in _foreign(folder, rank):
        gathered.add(source, reader)
    return gathered.curves(attempt)


def curves_of_all(
    folder: TaskFolder, attempt: int, points: int, names: Collection[str] | None = None
) -> list[Curve]:
    """What `curves` gives, of every rank, by rank. Of very long files only the newer part is read.

    Cheap where `names` are given: other figures are not even decoded.
    """
    ranks = {*folder.ranks_with_progress(), *(one.rank for one in load(folder)), 0}
    share = BYTES_OF_ALL // len(ranks)
    found = []
    for rank in sorted(ranks):
        gathered = Gathered(rank, points, names)
        own = Tail.from_end(folder.progress(rank))
        own.offset = max(0, own.offset - share)
        gathered.add_own(own)
        for source, reader in _foreign(folder, rank):
            gathered.add(source, reader)
        found += gathered.curves(attempt)
    return found


class Gathered:
    """The curves of one rank as they come together. With `names`, only those."""

    def __init__(self, rank: int, points: int, names: Collection[str] | None = None) -> None:
        self._rank = rank
        self._points = max(points, 5)
        self._names = (
            None if names is None else sorted(set(names) - PLACES - {"what"})[:CURVE_LIMIT]
        )
        self._thinned: dict[tuple[str, str], Thinned] = {}
        """By source and name."""

    def add(self, source: str, reader: Reader) -> None:
        """All that a source holds."""
        for read in _until_end(reader):
            for line in read:
                if isinstance(line, Metric):
                    self._add(source, line.values)

    def add_own(self, tail: Tail) -> None:
        """All that the rank wrote for us."""
        if self._names is None:
            self.add(OURS, tail)
            return
        rows = _reader_of(self._names)
        thinned = [Thinned(self._points) for _ in self._names]
        before = -1
        while tail.offset != before:
            before = tail.offset
            for raw in tail.raw():
                for moment, step, *values in rows(raw):
                    for curve, value in zip(thinned, values, strict=True):
                        if value is not None:
                            curve.add(step, moment, value)
        for name, curve in zip(self._names, thinned, strict=True):
            if curve.count:
                self._thinned[OURS, name] = curve

    def curves(self, attempt: int) -> list[Curve]:
        """What came together."""
        return [
            _curve(name, source, self._rank, attempt, thinned.points())
            for (source, name), thinned in self._thinned.items()
        ]

    def _add(self, source: str, values: dict[str, Value]) -> None:
        step, moment = (_number(values.get(name)) for name in ("step", "t"))
        for name in values if self._names is None else self._names:
            number = _number(values.get(name))
            if number is None or name in PLACES:
                continue
            thinned = self._thinned.get((source, name))
            if thinned is None:
                if len(self._thinned) >= CURVE_LIMIT:
                    continue
                thinned = self._thinned[source, name] = Thinned(self._points)
            thinned.add(step, moment, number)


def _foreign(folder: TaskFolder, rank: int) -> Iterator[tuple[str, Reader]]:
    """What the rank wrote for others, by source."""
    for found in load(folder):
        if found.rank == rank:
            yield found.source, READERS[found.kind](found.path)
    order = folder.read_order() if rank == 0 else None
    if order is not None and order.request.program.step_regex is not None:
        when = logindex.times(folder, 0)
        pattern = order.request.program.step_regex
        printed = figures_printed(folder, pattern, when.at if when.times else None)
        if printed is not None:
            yield PRINTED, printed


def _until_end(reader: Reader) -> Iterator[Sequence[Line]]:
    yield reader.read()
    while reader.behind:
        yield reader.read()


def _reader_of(names: Sequence[str]) -> Callable[[bytes], Sequence[Row]]:
    """Reads time, step and these figures from a line of metrics: one row, none from other lines.
    Several times as fast as reading all that a line says."""
    kept = ("t", "step", *names)
    figures = [(f"figure_{index}", float | None, None) for index in range(len(kept))]
    said = msgspec.defstruct(
        "Said",
        [*figures, ("what", str, "")],
        rename={figure[0]: name for figure, name in zip(figures, kept, strict=True)},
        gc=False,
    )
    decoder = msgspec.json.Decoder(said)

    def rows(raw: bytes) -> Sequence[Row]:
        try:
            *row, what = msgspec.structs.astuple(decoder.decode(raw))
            return (row,) if what == "metric" else ()
        except (ValueError, RecursionError):  # as of NaN, or of a figure that is a text
            line = parse(raw)
        if not isinstance(line, Metric):
            return ()
        return ([_number(line.values.get(name)) for name in kept],)

    return rows


def _curve(name: str, source: str, rank: int, attempt: int, points: list[Point]) -> Curve:
    return Curve(
        name=name,
        source=source,
        rank=rank,
        attempt=attempt,
        steps=[point.step for point in points],
        times=[point.time for point in points],
        values=[point.value for point in points],
    )


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
