"""Rows of plots over the last ten minutes, as many side by side as fit."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from textual.app import ComposeResult
from textual.containers import Horizontal

from ...agents.fleet.columns import Floats
from ...agents.fleet.store import Store
from ..buckets import Floats as Floats64
from ..buckets import gather, stretch
from ..view import View
from ..widgets.axes import Axes
from ..widgets.curves import Curve
from ..widgets.glyphs import glyphs
from ..widgets.pen import spoken
from ..widgets.plot import LinePlot

SPANS: Final = (60.0, 120.0, 300.0, 600.0)
"""Seconds shown: the shortest that holds what is known, so that a first minute fills the plot."""

NARROWEST: Final = 36
"""Cells of a plot that still tells something."""

MOST: Final = 4

GIB: Final = np.float32(1 / 1024)
"""From MiB."""
KIB: Final = np.float32(1024)
"""To bytes."""


class Plot(NamedTuple):
    """One plot: its axes, and the curves by name."""

    axes: Axes
    curves: Callable[[Store], dict[str, Floats]]


def _gpu_mean(name: str) -> Callable[[Store], dict[str, Floats]]:
    return lambda store: {"mean": store.gpu_history.mean(name)}


FLEET_GPU_PLOTS: Final = (
    Plot(Axes("GPU utilization", "%", 0, 100), _gpu_mean("utilization")),
    Plot(
        Axes("GPU memory", "G", 0),
        lambda store: {"used": store.gpu_history.total("memory_used") * GIB},
    ),
    Plot(Axes("Power", "W", 0), lambda store: {"drawn": store.gpu_history.total("power")}),
    Plot(Axes("CPU", "%", 0, 100), lambda store: {"mean": store.node_history.mean("cpu")}),
)

FLEET_HOST_PLOTS: Final = (
    Plot(Axes("CPU", "%", 0, 100), lambda store: {"mean": store.node_history.mean("cpu")}),
    Plot(
        Axes("Memory", "G", 0),
        lambda store: {"used": store.node_history.total("memory_used") * GIB},
    ),
    Plot(
        Axes("Network", "B/s", 0),
        lambda store: {
            "in": store.node_history.total("network_receive") * KIB,
            "out": store.node_history.total("network_send") * KIB,
        },
    ),
)


@lru_cache(maxsize=16)
def gpu_plots(row: int, memory: int | None, limit: float | None) -> tuple[Plot, ...]:
    """The plots of one GPU: its row, its memory in MiB, its power limit in W.

    The same GPU gives the same plots, by which an unchanged one is known.
    """

    def curve(name: str, scale: float = 1.0) -> Callable[[Store], dict[str, Floats]]:
        return lambda store: {"": store.gpu_history.curve(name, row) * np.float32(scale)}

    return (
        Plot(Axes("Utilization", "%", 0, 100), curve("utilization")),
        Plot(Axes("Memory", "G", 0, memory and memory / 1024), curve("memory_used", 1 / 1024)),
        Plot(Axes("Power", "W", 0, limit), curve("power")),
        Plot(Axes("Temperature", spoken("°C", glyphs()), 20, 100), curve("temperature")),
    )


class HistoryPlots(Horizontal):
    """Plots side by side; those for which there is no room are left out."""

    DEFAULT_CSS = """
    HistoryPlots { height: 1fr; }
    HistoryPlots LinePlot { width: 1fr; margin: 0 1; }
    """

    def __init__(self, view: View, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view = view
        self._plots: Sequence[Plot] = ()
        self._shown: dict[LinePlot, tuple[object, ...]] = {}
        """What each widget's curves were gathered from: the same again is not gathered again."""

    def compose(self) -> ComposeResult:
        """As many as there may ever be."""
        for _ in range(MOST):
            yield LinePlot()

    def show(self, plots: Sequence[Plot]) -> None:
        """Show these plots of the present."""
        self._plots = plots
        room = max(self.size.width // NARROWEST, 1)
        for at, widget in enumerate(self.query(LinePlot)):
            widget.display = at < min(room, len(plots))
            if widget.display:
                self._draw(widget, plots[at])

    def on_resize(self) -> None:
        """Another width, another number of plots."""
        self.show(self._plots)

    def _draw(self, widget: LinePlot, plot: Plot) -> None:
        store = self._view.store
        times = store.node_history.times()
        span = _span(times)
        step = stretch(span, 2 * max(widget.size.width, NARROWEST))
        utc = self._view.settings.utc
        stretches = [float(np.floor(time / step)) for time in (*times[:1], *times[-1:])]
        told = (plot, span, step, utc, *stretches)
        if told == self._shown.get(widget):
            return
        self._shown[widget] = told
        curves = []
        for name, values in plot.curves(store).items():
            x, y = gather(times[-len(values) :], values, step)
            curves.append(Curve(name, x, y))
        widget.show(curves, _placed(plot.axes, span, step, utc))


def _span(times: Floats64) -> float:
    known = times[-1] - times[0] if len(times) else 0.0
    return next((span for span in SPANS if span >= known), SPANS[-1])


def _placed(axes: Axes, span: float, step: float, utc: bool) -> Axes:
    return Axes(
        axes.title,
        axes.unit,
        axes.low,
        axes.high,
        across="clock",
        span=span,
        gap=3 * step,
        utc=utc,
    )
