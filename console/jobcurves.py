"""The curves of one job: its past as the agent thinned it, and what came since."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from ..agents.protocol.jobs import Curve as StoredCurve
from ..agents.protocol.jobs import Metric
from .widgets.axes import Axes
from .widgets.curves import Curve

LONGEST: Final = 4000
"""Points of one curve; beyond, every second point of its older half is let go."""

NO_CURVES: Final = frozenset({"t", "step", "steps", "dt", "tokens", "t_data", "t_comm"})
"""Keys of a trainer's line that are no curve by themselves."""

Points = list[tuple[float, float]]
Plot = tuple[Sequence[Curve], Axes]


class JobCurves:
    """Points (step, value) by name, of rank 0."""

    def __init__(self) -> None:
        self._points: dict[str, Points] = {}

    def load(self, curves: Iterable[StoredCurve]) -> None:
        """Start again from what the agent stores."""
        stored = {curve.name: curve for curve in curves}
        self._points = {name: _points(curve) for name, curve in stored.items()}
        if "tokens" in stored and "dt" in stored:
            tokens, seconds = dict(_points(stored["tokens"])), dict(_points(stored["dt"]))
            both = sorted(tokens.keys() & seconds.keys())
            rates = [(step, tokens[step] / seconds[step]) for step in both if seconds[step]]
            self._points["tokens/s"] = rates

    def add(self, metrics: Iterable[Metric]) -> None:
        """Append what rank 0 wrote."""
        for metric in metrics:
            if metric.rank == 0:
                self._append(metric.values)

    @property
    def known(self) -> bool:
        """Whether there is a curve to show."""
        return any(points for name, points in self._points.items() if name not in NO_CURVES)

    def plots(self) -> tuple[Plot, Plot]:
        """Losses at the left; throughput, or what else there is, at the right."""
        names = [name for name in self._points if name not in NO_CURVES]
        losses = [name for name in names if "loss" in name]
        others = [name for name in names if name not in losses]
        left = losses or others[:1]
        rest = [name for name in others if name not in left]
        right = ["tokens/s"] if "tokens/s" in rest else rest[:3]
        return self._plot(left, "Loss" if losses else ""), self._plot(right, "")

    def _plot(self, names: Sequence[str], title: str) -> Plot:
        curves = [_curve(name, self._points[name]) for name in names]
        low = 0.0 if names == ["tokens/s"] else None
        title = title or ("Throughput" if low == 0.0 else ", ".join(names))
        unit = "tok/s" if low == 0.0 else ""
        return curves, Axes(title, unit, low)

    def _append(self, values: dict[str, float | int | str | None]) -> None:
        figures = {
            name: float(value)
            for name, value in values.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        tokens, seconds = figures.get("tokens"), figures.get("dt")
        if tokens is not None and seconds:
            figures["tokens/s"] = tokens / seconds
        step = figures.get("step", figures.get("t"))
        if step is None:
            return
        for name, value in figures.items():
            if name not in NO_CURVES:
                _extend(self._points.setdefault(name, []), step, value)


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
