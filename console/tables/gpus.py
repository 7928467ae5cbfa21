"""The GPUs of the fleet, one a row."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ...agents.fleet.store import Store
from ...agents.protocol.facts import GpuFacts
from ...agents.protocol.jobs import ENDED
from .. import quantities as q
from ..widgets.table import Column, Row, Rows
from .cells import figure, gauge, gpu_state, gpu_state_look, heat, trend, words
from .order import ranks

TREND_SAMPLES: Final = 60

COLUMNS: Final = (
    Column("node", "NODE", 8, words("node"), stretch=2, rank=5),
    Column(
        "label",
        "GPU",
        4,
        words("label", "title"),
        rank=0,
        meaning="Number of the GPU, as the driver counts; 0.8 is MIG instance 8 of GPU 0",
    ),
    Column("model", "MODEL", 10, words("model", "dim"), stretch=2, rank=8),
    Column(
        "state",
        "STATE",
        8,
        gpu_state,
        rank=2,
        meaning="capped: at its power limit, usual under load; hot or slowed: too warm; "
        "slow, hung or lost: the driver answers late, not at all, or never again",
    ),
    Column(
        "utilization",
        "UTIL",
        10,
        gauge("utilization", 100.0, lambda row: q.percent(row["utilization"])),
        stretch=3,
        rank=1,
        meaning="Share of time in which anything ran on the GPU; waiting counts, so see POWER too",
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
        stretch=3,
        rank=1,
        meaning="Memory of the GPU: used of all, in GiB",
    ),
    Column(
        "power",
        "POWER",
        10,
        gauge("power", "power_limit", lambda row: _power(row["power"], row["power_limit"])),
        stretch=2,
        rank=3,
        meaning="Watts drawn, of the limit in force",
    ),
    Column(
        "temperature",
        "TEMP",
        4,
        heat("temperature", q.celsius, "warm_at", "temperature_slowdown"),
        rank=2,
        right=True,
        meaning="Degrees Celsius; coloured from 8 below where the GPU slows itself down",
    ),
    Column(
        "fan",
        "FAN",
        4,
        figure("fan", q.percent, "dim"),
        rank=9,
        right=True,
        meaning="Speed of the fan; n/a where there is none",
    ),
    Column(
        "sm_clock",
        "SM MHz",
        6,
        figure("sm_clock", q.megahertz, "dim"),
        rank=7,
        right=True,
        meaning="Clock of the processors in MHz: falls when the GPU is capped, hot or idle",
    ),
    Column(
        "pcie_send",
        "PCIe↑",
        6,
        figure("pcie_send", q.mebibytes, "dim"),
        rank=10,
        right=True,
        meaning="Bytes a second from the GPU to the host",
    ),
    Column(
        "pcie_receive",
        "PCIe↓",
        6,
        figure("pcie_receive", q.mebibytes, "dim"),
        rank=10,
        right=True,
        meaning="Bytes a second from the host to the GPU",
    ),
    Column(
        "job",
        "JOB",
        8,
        words("job", "info"),
        stretch=1,
        rank=6,
        meaning="The running job that holds the GPU",
    ),
    Column(
        "trend",
        "LAST MINUTE",
        10,
        trend("trend"),
        stretch=3,
        rank=4,
        meaning="UTIL over the last minute, the newest at the right",
    ),
)

WARM_BELOW_SLOWDOWN: Final = 8
"""°C under the slowdown limit from which a temperature is marked."""


class GpuTable:
    """Every GPU of a store, in the order of nodes and of the driver."""

    def __init__(self, store: Store, slot: int | None = None) -> None:
        self._store = store
        self._slot = slot
        """Of the one node to show; None for all."""

    @property
    def columns(self) -> Sequence[Column]:
        """The node's column only where there is more than one; the job's where jobs hold GPUs."""
        left_out = set()
        if self._slot is not None or len(self._store.facts) < 2:
            left_out.add("node")
        if not any(job.gpus and job.state not in ENDED for job in self._store.jobs.values()):
            left_out.add("job")
        return [column for column in COLUMNS if column.key not in left_out]

    def arrange(self, sort: str, descending: bool, text: str) -> Rows:
        """Rows whose node, label, model, state or job contains the words of `text`."""
        rows = self._all()
        if words_wanted := text.lower().split():
            described = [(row, self._described(row)) for row in rows]
            rows = [row for row, said in described if all(word in said for word in words_wanted)]
        order = np.array(rows, np.int64)
        if not sort or not len(order):
            return order[::-1] if descending else order
        name = "utilization" if sort == "trend" else sort
        if name not in self._store.gpus:
            return order[ranks([row[name] for row in self.rows(rows)], descending)]
        figures = self._store.gpus[name][order]
        return order[np.argsort(-figures if descending else figures, kind="stable")]

    def rows(self, wanted: Sequence[int]) -> Sequence[Row]:
        """What the columns paint."""
        columns = self._store.gpus
        rows = np.array(wanted, np.int64)
        figures = {name: columns[name][rows].tolist() for name in columns.names}
        jobs = self._jobs()
        made = []
        for at, row in enumerate(wanted):
            values: dict[str, Any] = {name: column[at] for name, column in figures.items()}
            values |= self._facts(row)
            values["job"] = jobs.get((self._store.slot_of_row(row), values["index"]), "-")
            values["trend"] = self._store.gpu_history.curve("utilization", row, TREND_SAMPLES)
            made.append(values)
        return made

    def facts(self, row: int) -> GpuFacts | None:
        """What the GPU of a row is."""
        slot = self._store.slot_of_row(row)
        index = row - self._store.rows(slot).start
        node = self._store.facts.get(slot)
        return next((gpu for gpu in node.gpus if gpu.index == index), None) if node else None

    def _all(self) -> list[int]:
        slots = sorted(self._store.facts) if self._slot is None else [self._slot]
        return [row for slot in slots for row in self._store.rows(slot)]

    def _facts(self, row: int) -> dict[str, Any]:
        slot = self._store.slot_of_row(row)
        gpu = self.facts(row) or GpuFacts(index=row - self._store.rows(slot).start)
        slowdown = gpu.temperature_slowdown
        return {
            "node": self._store.facts[slot].hostname,
            "index": gpu.index,
            "label": label(gpu),
            "model": gpu.profile or short_model(gpu.name),
            "memory_total": gpu.memory_total,
            "power_limit": gpu.power_limit,
            "temperature_slowdown": slowdown,
            "warm_at": None if slowdown is None else slowdown - WARM_BELOW_SLOWDOWN,
        }

    def _described(self, row: int) -> str:
        values = self.rows([row])[0]
        word, _, _ = gpu_state_look(values)
        said = (values["node"], values["label"], values["model"], values["job"], word)
        return " ".join(str(part) for part in said).lower()

    def _jobs(self) -> dict[tuple[int, int], str]:
        """The running job on each (slot, GPU)."""
        held: dict[tuple[int, int], str] = {}
        for job in self._store.jobs.values():
            if job.state not in ENDED:
                slots = [self._store.slot_of_node(node) for node in job.nodes]
                held |= {
                    (slot, gpu): job.name for slot in slots if slot is not None for gpu in job.gpus
                }
        return held


def label(gpu: GpuFacts) -> str:
    """As "3", or "0.2" for the MIG instance in row 2 of GPU 0."""
    return str(gpu.index) if gpu.parent is None else f"{gpu.parent}.{gpu.index}"


def short_model(name: str | None) -> str | None:
    """A GPU's name without its maker's."""
    return name and name.removeprefix("NVIDIA ").removeprefix("GeForce ")


def _power(power: float | None, limit: float | None) -> str:
    if q.known(power) and q.known(limit):
        return f"{power:.0f}/{limit:.0f}W"
    return q.watts(power)
