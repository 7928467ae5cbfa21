"""The nodes of the fleet, one a row: what a host without GPUs shows."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ...agents.fleet.store import Store
from .. import quantities as q
from ..widgets.table import Column, Row, Rows
from .cells import figure, gauge, trend, words
from .order import ranks

TREND_SAMPLES: Final = 60

COLUMNS: Final = (
    Column("hostname", "NODE", 10, words("hostname", "title"), stretch=1, rank=0),
    Column("cores", "CORES", 5, figure("cores", q.count, "dim"), rank=3, right=True),
    Column("cpu", "CPU", 10, gauge("cpu", 100.0, lambda row: q.percent(row["cpu"])), 3, 1),
    Column(
        "load",
        "LOAD",
        6,
        figure("load", q.number),
        rank=2,
        right=True,
        meaning="Processes that run or wait to, over the last minute",
    ),
    Column(
        "memory_used",
        "MEMORY",
        12,
        gauge(
            "memory_used",
            "memory_total",
            lambda row: q.of_total(row["memory_used"], row["memory_total"]),
        ),
        3,
        1,
    ),
    Column(
        "network_receive",
        "NET IN",
        6,
        figure("network_receive", q.kibibytes),
        0,
        4,
        True,
        meaning="Bytes a second from the network",
    ),
    Column(
        "network_send",
        "OUT",
        6,
        figure("network_send", q.kibibytes),
        0,
        4,
        True,
        meaning="Bytes a second to the network",
    ),
    Column(
        "disk_read",
        "READ",
        6,
        figure("disk_read", q.kibibytes),
        0,
        5,
        True,
        meaning="Bytes a second from disks",
    ),
    Column(
        "disk_write",
        "WRITE",
        6,
        figure("disk_write", q.kibibytes),
        0,
        5,
        True,
        meaning="Bytes a second to disks",
    ),
    Column(
        "trend",
        "LAST MINUTE",
        10,
        trend("trend"),
        stretch=3,
        rank=3,
        meaning="CPU over the last minute, the newest at the right",
    ),
)


class NodeTable:
    """Every node of a store; a row is a slot."""

    columns: Sequence[Column] = COLUMNS

    def __init__(self, store: Store) -> None:
        self._store = store

    def arrange(self, sort: str, descending: bool, text: str) -> Rows:
        """Slots whose host name contains the words of `text`."""
        wanted = text.lower().split()
        slots = [
            slot
            for slot, facts in sorted(self._store.facts.items())
            if all(word in facts.hostname.lower() for word in wanted)
        ]
        order = np.array(slots, np.int64)
        if not sort or not len(order):
            return order[::-1] if descending else order
        name = "cpu" if sort == "trend" else sort
        return order[ranks([row[name] for row in self.rows(slots)], descending)]

    def rows(self, wanted: Sequence[int]) -> Sequence[Row]:
        """What the columns paint."""
        columns = self._store.nodes
        slots = np.array(wanted, np.int64)
        figures = {name: columns[name][slots].tolist() for name in columns.names}
        made = []
        for at, slot in enumerate(wanted):
            facts = self._store.facts[slot]
            values: dict[str, Any] = {name: column[at] for name, column in figures.items()}
            values["hostname"] = facts.hostname
            values["cores"] = facts.cores
            values["memory_total"] = facts.memory_total
            values["trend"] = self._store.node_history.curve("cpu", slot, TREND_SAMPLES)
            made.append(values)
        return made
