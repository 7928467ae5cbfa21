"""The curves of an attempt, from the lines that its ranks wrote, thinned so that spikes stay."""

from typing import Final, NamedTuple

from ..protocol.jobs import Curve
from .progress import Metric, Tail
from .taskfolder import TaskFolder

NOT_CURVES: Final = frozenset({"t", "step", "steps"})
"""Where a point stands, not what it says."""

CURVE_LIMIT: Final = 256
"""Curves of one rank; figures with further names are left out."""


class Point(NamedTuple):
    """One value and where it stands."""

    order: int
    step: float | None
    time: float | None
    value: float


class Bucket(NamedTuple):
    """Neighbouring points, by their extremes."""

    low: Point
    high: Point

    def merged(self, other: "Bucket") -> "Bucket":
        """Both as one."""
        return Bucket(
            min(self.low, other.low, key=lambda point: point.value),
            max(self.high, other.high, key=lambda point: point.value),
        )


class Thinned:
    """Keeps at most `limit` points of a curve of any length, in bounded memory.

    Neighbours are merged into buckets that keep their lowest and highest point; when there are too
    many, every two buckets become one and new ones hold twice as much. The newest point is kept.
    """

    def __init__(self, limit: int) -> None:
        self._most = max(2, (limit - 1) // 2)
        self._buckets: list[Bucket] = []
        self._width = 1
        self._in_last = 0
        self._count = 0
        self._newest: Point | None = None

    def add(self, step: float | None, time: float | None, value: float) -> None:
        """A further point, later than those before it."""
        point = Point(self._count, step, time, value)
        self._count += 1
        self._newest = point
        bucket = Bucket(point, point)
        if self._buckets and self._in_last < self._width:
            self._buckets[-1] = self._buckets[-1].merged(bucket)
            self._in_last += 1
            return
        if len(self._buckets) >= self._most:
            self._halve()
        self._buckets.append(bucket)
        self._in_last = 1

    def _halve(self) -> None:
        pairs = zip(self._buckets[::2], self._buckets[1::2], strict=False)
        halved = [first.merged(second) for first, second in pairs]
        if len(self._buckets) % 2:
            halved.append(self._buckets[-1])
        self._buckets = halved
        self._width *= 2

    def points(self) -> list[Point]:
        """What is left of the curve, in order."""
        kept = {point.order: point for bucket in self._buckets for point in bucket}
        if self._newest is not None:
            kept[self._newest.order] = self._newest
        return [kept[order] for order in sorted(kept)]


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
    return float(value) if isinstance(value, int | float) else None
