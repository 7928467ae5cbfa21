"""The fleet in three lines: GPUs, hosts, and their last minute."""

import numpy as np
from rich.segment import Segment

from ...agents.fleet.columns import Floats, Rows
from ...agents.fleet.store import Store
from ...agents.protocol.facts import GpuFacts, NodeFacts
from .. import quantities as q
from ..tables.cells import SLOWED
from ..view import View
from .bar import bar
from .lines import Line, Lines
from .pen import Pen, spoken, width_of
from .sparkline import sparkline

LABEL = 7
BAR = 16
SPARK = 20


class Totals(Lines):
    """One line for each resource: a bar, a figure, the last minute, and what stands beside it."""

    DEFAULT_CSS = """
    Totals { padding: 0 1; }
    """

    def __init__(self, view: View) -> None:
        super().__init__(id="totals")
        self._view = view

    def draw(self, width: int) -> list[Line]:
        """Two lines for the hosts, and two more where there are GPUs."""
        store = self._view.store
        if not store.facts:
            return [[Segment("waiting for the first sample", self.pen.roles.dim)]]
        lines = _gpu_lines(store, self.pen) if store.gpus.rows else []
        lines += _host_lines(store, self.pen)
        return [_fitted(line, width) for line in lines]


def _gpu_lines(store: Store, pen: Pen) -> list[list[Segment]]:
    gpus, rows = _physical(store)
    utilization = store.gpus["utilization"][rows]
    busy, mean = int(np.count_nonzero(utilization > 0)), _mean(utilization)
    hottest = store.gpus["temperature"]
    used = _total(store.gpus["memory_used"][rows])
    total = sum(gpu.memory_total or 0 for gpu in gpus)
    power, limit = _total(store.gpus["power"]), sum(gpu.power_limit or 0 for gpu in gpus)
    slowed = np.nan_to_num(store.gpus["throttle"]).astype(np.uint8) & SLOWED > 0
    bad = int(np.count_nonzero((store.gpus["state"] > 0) | slowed))
    first = _line(
        pen, "GPU", mean, 100, q.percent(mean), store.gpu_history.mean("utilization", 60), 100
    )
    if bad:
        # One segment for the gap, as a label is: the line is cut by pairs, and this goes last.
        not_ok = Segment(f"{pen.glyphs.bad} {bad} not ok", pen.roles.bad)
        first += [Segment("   ", pen.roles.base), not_ok]
    first += _said(pen, "busy", q.ABSENT if mean is None else f"{busy} of {len(gpus)}")
    first += _said(pen, "hottest", q.celsius(_most(hottest)))
    first += _said(pen, "power", f"{q.watts(power)} of {q.watts(limit or None)}")
    second = _line(
        pen,
        "VRAM",
        used,
        total,
        q.percent(_share(used, total)),
        _memory_history(store, rows),
        total,
    )
    second += _said(pen, "used", q.of_total(used, total or None))
    return [first, second]


def _physical(store: Store) -> tuple[list[GpuFacts], Rows | slice]:
    """The GPUs without their MIG instances, whose memory is the GPU's own, and their rows."""
    found = [
        (gpu, store.rows(slot).start + gpu.index)
        for slot, node in store.facts.items()
        for gpu in node.gpus
        if gpu.parent is None
    ]
    rows = slice(None) if len(found) == store.gpus.rows else np.array([at for _, at in found], int)
    return [gpu for gpu, _ in found], rows


def _memory_history(store: Store, rows: Rows | slice) -> Floats:
    if isinstance(rows, slice):
        return store.gpu_history.total("memory_used", 60)
    curves = [store.gpu_history.curve("memory_used", int(row), 60) for row in rows]
    summed: Floats = np.sum(curves, axis=0, dtype=np.float32)
    return summed


def _host_lines(store: Store, pen: Pen) -> list[list[Segment]]:
    nodes = store.nodes
    facts = list(store.facts.values())
    cpu = _mean(nodes["cpu"])
    used = _total(nodes["memory_used"])
    total = sum(node.memory_total or 0 for node in facts)
    first = _line(pen, "CPU", cpu, 100, q.percent(cpu), store.node_history.mean("cpu", 60), 100)
    first += _said(pen, "cores", q.count(sum(node.cores or 0 for node in facts) or None))
    first += _said(pen, "load", q.number(_total(nodes["load"])))
    first += _said(pen, "net in", q.rate(_total(nodes["network_receive"])))
    first += _said(pen, "out", q.rate(_total(nodes["network_send"])))
    first += _said(pen, "waiting for CPU", q.percent(_most(nodes["pressure_cpu"])))
    share = _share(used, total)
    history = store.node_history.total("memory_used", 60)
    second = _line(pen, "MEM", used, total, q.percent(share), history, total)
    second += _said(pen, "used", q.of_total(used, total or None))
    second += _said(pen, "swap", _swap(facts, _total(nodes["swap_used"])))
    second += _said(pen, "disk read", q.rate(_total(nodes["disk_read"])))
    second += _said(pen, "write", q.rate(_total(nodes["disk_write"])))
    return [first, second]


def _swap(facts: list[NodeFacts], used: float | None) -> str:
    total = sum(node.swap_total or 0 for node in facts)
    return q.of_total(used, total) if total else "none"


def _line(
    pen: Pen,
    label: str,
    value: float | None,
    total: float,
    text: str,
    history: Floats,
    high: float,
) -> list[Segment]:
    fraction = value / total if value is not None and total else None
    return [
        Segment(label.ljust(LABEL), pen.roles.title),
        *bar(fraction, BAR, pen.roles, pen.glyphs, text),
        Segment(" ", pen.roles.base),
        *sparkline(history, SPARK, 0, high, pen.roles, pen.glyphs),
    ]


def _said(pen: Pen, label: str, text: str) -> list[Segment]:
    """A figure with its name: one segment each, so that a narrow screen drops whole ones."""
    return [
        Segment(f"   {label} ", pen.roles.dim),
        Segment(spoken(text, pen.glyphs), pen.roles.text),
    ]


def _fitted(line: list[Segment], width: int) -> list[Segment]:
    while len(line) > 2 and width_of(line) > width:
        line = line[:-2]
    return line


def _total(column: Floats) -> float | None:
    known = column[~np.isnan(column)]
    return float(known.sum()) if len(known) else None


def _mean(column: Floats) -> float | None:
    known = column[~np.isnan(column)]
    return float(known.mean()) if len(known) else None


def _most(column: Floats) -> float | None:
    known = column[~np.isnan(column)]
    return float(known.max()) if len(known) else None


def _share(used: float | None, total: float) -> float | None:
    return None if used is None or not total else 100 * used / total
