"""The curves of one job: its past as the agent thinned it, and what came since."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from ..agents.protocol.jobs import Curve as StoredCurve
from ..agents.protocol.jobs import Metric
from .widgets.axes import Axes
from .widgets.curves import Curve

LONGEST: Final = 4000
"""Points of one curve; beyond, every second point of its older half is let go."""

NO_CURVES: Final = frozenset({"t", "step", "steps", "dt", "tokens", "t_data", "t_comm"})
"""Keys of a trainer's line that are no curve by themselves."""

OURS: Final = "llmos"
"""The source of a trainer's own lines, which goes without saying."""

Points = list[tuple[float, float]]
Plot = tuple[Sequence[Curve], Axes]


class Key(NamedTuple):
    """Which curve."""

    name: str
    source: str = OURS
    """Who wrote it; the same figure from two sources is two curves."""

    def __str__(self) -> str:
        """As the legend calls it: a source that is not our own is named."""
        return self.name if self.source == OURS else f"{self.name} ({self.source})"


RATE: Final = Key("tokens/s")


class JobCurves:
    """Points (step, value) by name and source, of rank 0."""

    def __init__(self) -> None:
        self._points: dict[Key, Points] = {}

    def load(self, curves: Iterable[StoredCurve]) -> None:
        """Start again from what the agent stores."""
        self._points = {Key(curve.name, curve.source): _points(curve) for curve in curves}
        tokens = dict(self._points.get(Key("tokens"), []))
        seconds = dict(self._points.get(Key("dt"), []))
        both = sorted(tokens.keys() & seconds.keys())
        if rates := [(step, tokens[step] / seconds[step]) for step in both if seconds[step]]:
            self._points[RATE] = rates

    def add(self, metrics: Iterable[Metric]) -> None:
        """Append what rank 0 wrote."""
        for metric in metrics:
            if metric.rank == 0:
                self._append(metric.values, metric.source)

    @property
    def known(self) -> bool:
        """Whether there is a curve to show."""
        return any(points for key, points in self._points.items() if key.name not in NO_CURVES)

    def plots(self) -> tuple[Plot, Plot]:
        """Losses at the left; throughput, or what else there is, at the right."""
        keys = [key for key in self._points if key.name not in NO_CURVES]
        losses = [key for key in keys if "loss" in key.name]
        others = [key for key in keys if key not in losses]
        left = losses or others[:1]
        rest = [key for key in others if key not in left]
        right = [RATE] if RATE in rest else rest[:3]
        return self._plot(left, "Loss" if losses else ""), self._plot(right, "")

    def _plot(self, keys: Sequence[Key], title: str) -> Plot:
        curves = [_curve(str(key), self._points[key]) for key in keys]
        if keys == [RATE]:
            return curves, Axes("Throughput", "tok/s", 0.0)
        title = title or ", ".join(dict.fromkeys(key.name for key in keys))
        if len(keys) == 1:  # a single curve has no legend that would name its source
            title = str(Key(title, keys[0].source))
        return curves, Axes(title)

    def _append(self, values: dict[str, float | int | str | None], source: str) -> None:
        figures = {
            name: float(value)
            for name, value in values.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        tokens, seconds = figures.get("tokens"), figures.get("dt")
        if tokens is not None and seconds and source == OURS:
            figures[RATE.name] = tokens / seconds
        step = figures.get("step", figures.get("t"))
        if step is None:
            return
        for name, value in figures.items():
            if name not in NO_CURVES:
                _extend(self._points.setdefault(Key(name, source), []), step, value)


def _points(curve: StoredCurve) -> Points:
    across = curve.steps if any(step is not None for step in curve.steps) else curve.times
    return [
        (float(x), float(y))
        for x, y in zip(across, curve.values, strict=False)
        if x is not None and y is not None
    ]


def _extend(points: Points, step: float, value: float) -> None:
    if points and step <= points[-1][0]:
        return
    points.append((step, value))
    if len(points) > LONGEST:
        half = len(points) // 2
        points[:half] = points[:half:2]


def _curve(name: str, points: Points) -> Curve:
    x, y = zip(*points, strict=True) if points else ((), ())
    return Curve(name, np.array(x, np.float64), np.array(y, np.float64))
