"""The curves of an attempt, from the lines that its ranks wrote, thinned so that spikes stay."""

from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

from ..protocol.jobs import Curve
from .progress import Metric, Tail
from .taskfolder import TaskFolder

NOT_CURVES: Final = frozenset({"t", "step", "steps"})
"""Where a point stands, not what it says."""

_VALUE: Final = attrgetter("value")

CURVE_LIMIT: Final = 256
"""Curves of one rank; figures with further names are left out."""


ROOM: Final = 16
"""How many times the wanted points a curve may hold before it is thinned again."""


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
        self._count = 0

    def add(self, step: float | None, time: float | None, value: float) -> None:
        """A further point, later than those before it."""
        self._points.append(Point(self._count, step, time, value))
        self._count += 1
        if len(self._points) > ROOM * self._limit:
            self._points = self.points()

    def points(self) -> list[Point]:
        """What is left of the curve, in order."""
        if len(self._points) <= self._limit:
            return self._points
        width = -(-self._count // max(1, (self._limit - 1) // 2))
        kept = []
        for _, stretch in groupby(self._points, key=lambda point: point.order // width):
            points = list(stretch)
            low, high = min(points, key=_VALUE), max(points, key=_VALUE)
            kept += [low] if low is high else sorted((low, high))
        if kept[-1] is not self._points[-1]:
            kept.append(self._points[-1])
        return kept


def curves(folder: TaskFolder, attempt: int, points: int, rank: int = 0) -> list[Curve]:
    """Every figure that a rank measured, each with at most `points` points."""
    thinned: dict[str, Thinned] = {}
    tail = Tail(folder.progress(rank))
    before = -1
    while tail.offset != before:
        before = tail.offset
        for line in tail.read():
            if isinstance(line, Metric):
                _add(thinned, line, max(points, 5))
    return [_curve(name, rank, attempt, curve.points()) for name, curve in thinned.items()]


def _add(thinned: dict[str, Thinned], line: Metric, points: int) -> None:
    step, moment = (_number(line.values.get(name)) for name in ("step", "t"))
    for name, value in line.values.items():
        number = _number(value)
        if number is None or name in NOT_CURVES:
            continue
        if name not in thinned and len(thinned) < CURVE_LIMIT:
            thinned[name] = Thinned(points)
        if name in thinned:
            thinned[name].add(step, moment, number)


def _curve(name: str, rank: int, attempt: int, points: list[Point]) -> Curve:
    return Curve(
        name=name,
        rank=rank,
        attempt=attempt,
        steps=[point.step for point in points],
        times=[point.time for point in points],
        values=[point.value for point in points],
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
