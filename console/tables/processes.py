"""The processes that a node's driver or jobs name, one a row."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from ...agents.protocol.facts import Process
from .. import quantities as q
from ..widgets.table import Column, Row, Rows
from .cells import figure, words
from .order import ranks

COLUMNS: Final = (
    Column("pid", "PID", 8, words("pid", "title", right=True), rank=0, right=True),
    Column("user", "USER", 10, words("user"), rank=2),
    Column("gpu", "GPU", 4, words("gpu", right=True), rank=1, right=True),
    Column(
        "use",
        "USE",
        8,
        words("use", "dim"),
        rank=6,
        meaning="compute, graphics, or both",
    ),
    Column(
        "gpu_memory",
        "GPU MEM",
        8,
        figure("gpu_memory", q.mebibytes),
        rank=2,
        right=True,
        meaning="Memory it holds on that GPU",
    ),
    Column(
        "cpu",
        "CPU",
        6,
        figure("cpu", q.percent),
        rank=3,
        right=True,
        meaning="100% is one core",
    ),
    Column(
        "memory",
        "MEMORY",
        7,
        figure("memory", q.mebibytes),
        rank=3,
        right=True,
        meaning="Main memory it holds",
    ),
    Column(
        "age",
        "AGE",
        7,
        figure("age", q.duration, "dim"),
        rank=4,
        right=True,
        meaning="Since it was started",
    ),
    Column(
        "job",
        "JOB",
        6,
        words("job", "info"),
        rank=5,
        meaning="The job and the rank that it belongs to",
    ),
    Column("command", "COMMAND", 16, words("command"), stretch=1, rank=1),
)


class ProcessTable:
    """The processes of one node's detail; a row is a position in that list."""

    columns: Sequence[Column] = COLUMNS

    def __init__(self) -> None:
        self._processes: list[Process] = []
        self._now = 0.0

    def show(self, processes: list[Process], now: float) -> None:
        """Show these, at the time `now` (seconds since 1970, the node's clock)."""
        self._processes = processes
        self._now = now

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._processes)

    def process(self, row: int) -> Process | None:
        """The process of a row."""
        return self._processes[row] if row < len(self._processes) else None

    def arrange(self, sort: str, descending: bool, text: str) -> Rows:
        """Processes whose user, command, job or pid contains the words of `text`."""
        wanted = text.lower().split()
        rows = [
            row
            for row, process in enumerate(self._processes)
            if all(word in _said(process) for word in wanted)
        ]
        order = np.array(rows, np.int64)
        if not sort:
            return order[::-1] if descending else order
        return order[ranks([row.get(sort) for row in self.rows(rows)], descending)]

    def rows(self, wanted: Sequence[int]) -> Sequence[Row]:
        """What the columns paint."""
        made = []
        for row in wanted:
            process = self._processes[row]
            values = msgspec.structs.asdict(process)
            started = process.started
            values["age"] = None if started is None else max(self._now - started, 0.0)
            if process.job is not None and process.rank is not None:
                values["job"] = f"{process.job}.{process.rank}"
            values["job"] = values["job"] or "-"
            made.append(values)
        return made


def _said(process: Process) -> str:
    parts = (process.pid, process.user, process.command, process.job, process.use)
    return " ".join(str(part) for part in parts if part is not None).lower()
