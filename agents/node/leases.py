"""Which GPUs of this node a job gets. Refuses what the node can never give.

A lease will be a lock that shim and ranks hold, so that agents of several users agree; until then
an agent only spreads its own jobs, and they start at once.
"""

import os
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from ..errors import RequestRefused
from ..protocol.jobs import JobRequest

RANKS_PER_CORE: Final = 4
RANKS_ALWAYS: Final = 64
"""However few the cores are. More is a slip of the pen, not a job."""


class Grant(NamedTuple):
    """What a job holds on a node."""

    ranks: int
    rows: list[int]
    """Of its GPUs."""

    uuids: list[str]


def grant(request: JobRequest, gpus: Sequence[str], held: Counter[int]) -> Grant:
    """Ranks and GPUs for a job, those that fewest of our jobs hold first.

    `gpus` are the UUIDs by row, `held` counts jobs by row. Raises RequestRefused.
    """
    resources = request.resources
    _between("resources.nodes", resources.nodes, 1, 1, "jobs do not cross hosts yet")
    if resources.gpus is not None:
        _between("resources.gpus", resources.gpus, 0, len(gpus), f"this node has {len(gpus)}")
    ranks, wanted = _settled(request, len(gpus))
    most = max(RANKS_ALWAYS, RANKS_PER_CORE * (os.cpu_count() or 1))
    _between("resources.ranks", ranks, 1, most, f"this node has {os.cpu_count()} cores")
    _between("resources.gpus", wanted, 0, len(gpus), f"this node has {len(gpus)}")
    if request.program.launcher == "plain" and ranks != 1:
        raise RequestRefused(
            f'resources.ranks: a program with launcher = "plain" is one process, not {ranks}; '
            'use launcher = "torchrun"'
        )
    rows = sorted(sorted(range(len(gpus)), key=lambda row: (held[row], row))[:wanted])
    return Grant(ranks, rows, [gpus[row] for row in rows])


def _settled(request: JobRequest, present: int) -> tuple[int, int]:
    """Ranks and GPUs, each by default following the other."""
    ranks, gpus = request.resources.ranks, request.resources.gpus
    if ranks is None:
        ranks = gpus or 1
        if request.program.launcher == "plain":
            ranks = 1
    if gpus is None:
        gpus = ranks if present else 0
    return ranks, gpus


def _between(path: str, value: int, low: int, high: int, why: str) -> None:
    if not low <= value <= high:
        expected = str(low) if low == high else f"{low} to {high}"
        raise RequestRefused(f"{path}: expected {expected}, got {value}: {why}")
