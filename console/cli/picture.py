"""One picture of everything as text, within 80 columns."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ...agents.protocol.facts import Detail, Process
from ...agents.protocol.jobs import ENDED, JobSummary
from .. import quantities as q
from . import joblist
from .printing import cut, printable, table

FIGURES: Final = frozenset({"utilization", "memory_used", "power", "temperature"})
"""What the picture shows of a GPU."""

GPU_TITLES: Final = ("GPU", "NAME", "UTIL", "MEMORY", "POWER", "TEMP", "STATE", "USED BY")
GPU_RIGHT: Final = (0, 2, 3, 4, 5)
NAME_WIDTH: Final = 15
ENDED_SHOWN: Final = 3
"""Jobs that have ended, below those that have not: the newest."""

Json = Mapping[str, Any]


def lines(gathered: Json, details: Mapping[str, Detail]) -> Iterator[str]:
    """Each node with its GPUs, or its cores where it has none; then the jobs."""
    jobs: list[JobSummary] = gathered["jobs"]
    for node in gathered["nodes"]:
        yield from node_lines(node, details[node["node"]], jobs)
        yield ""
    yield from job_lines(jobs)


def node_lines(node: Json, detail: Detail, jobs: list[JobSummary]) -> Iterator[str]:
    """One node."""
    yield cut("  ".join([printable(node["hostname"]), *_what_it_is(node)]))
    yield cut("  ".join(_how_it_does(node)))
    if node["gpus"]:
        yield ""
        rows = [_gpu_row(gpu, node["node"], detail, jobs) for gpu in node["gpus"]]
        yield from table(GPU_TITLES, rows, GPU_RIGHT)
    else:
        yield from _core_lines(detail)
    yield from _notes(node)


def job_lines(jobs: list[JobSummary]) -> Iterator[str]:
    """The jobs that have not ended, and the newest that have."""
    ended = [job for job in jobs if job.state in ENDED][:ENDED_SHOWN]
    shown = [job for job in jobs if job.state not in ENDED] + ended
    if shown:
        yield from joblist.lines(shown)
    else:
        yield "No jobs yet: `llmos examples` lists some to run."


def _what_it_is(node: Json) -> Iterator[str]:
    if node["system"]:
        yield printable(node["system"])
    if node["driver"]:
        yield f"driver {node['driver']}"
    if node["cuda"]:
        yield f"CUDA {node['cuda']}"


def _how_it_does(node: Json) -> Iterator[str]:
    yield f"CPU {q.percent(node['cpu'])} of {node['cores'] or q.ABSENT} cores"
    yield f"load {q.number(node['load'])}"
    yield f"memory {_memory(node['memory_used'], node['memory_total'])}"
    if node["swap_total"]:
        yield f"swap {_memory(node['swap_used'], node['swap_total'])}"


def _gpu_row(gpu: Json, node: str, detail: Detail, jobs: list[JobSummary]) -> tuple[str, ...]:
    inside = gpu["parent"] is not None
    name = gpu["profile"] if inside else (gpu["name"] or "").removeprefix("NVIDIA ")
    return (
        f"{gpu['parent']}.{gpu['index']}" if inside else str(gpu["index"]),
        (name or q.ABSENT)[:NAME_WIDTH].rstrip(),
        q.percent(gpu["utilization"]),
        _memory(gpu["memory_used"], gpu["memory_total"]),
        _power(gpu["power"], gpu["power_limit"]),
        q.celsius(gpu["temperature"]),
        gpu["state"] or q.ABSENT,
        used_by(gpu["index"], node, detail, jobs),
    )


def used_by(row: int, node: str, detail: Detail, jobs: list[JobSummary]) -> str:
    """Who is on a GPU: the jobs that hold it, then other processes."""
    holders = [
        f"job {job.id}"
        for job in jobs
        if job.state not in ENDED and node in job.nodes and row in job.gpus
    ]
    others = [each for each in detail.processes if each.gpu == row and each.job is None]
    names = holders + [_process(each) for each in others]
    if len(names) > 2:
        names = [names[0], f"{len(names) - 1} more"]
    return ", ".join(names) or "-"


def _process(process: Process) -> str:
    command = (process.command or "").split()
    name = command[0].rpartition("/")[2] if command else "pid"
    return f"{name} {process.pid}"


def _memory(used: int | None, total: int | None) -> str:
    return q.ABSENT if used is None and total is None else q.of_total(used, total)


def _power(power: float | None, limit: float | None) -> str:
    if power is not None and limit is not None:
        return f"{power:.0f}/{limit:.0f}W"
    return q.watts(power)


def _core_lines(detail: Detail) -> Iterator[str]:
    cores = " ".join(f"{q.percent(core):>4}" for core in detail.cores)
    if cores:
        yield from textwrap.wrap(f"cores {cores}", 80, subsequent_indent="      ")


def _notes(node: Json) -> Iterator[str]:
    """What is not well, or not there, and what to do."""
    for name in node["other_gpus"]:
        yield cut(f"{printable(name)}: not supported yet")
    for collector in node["collectors"]:
        if collector["message"]:
            yield cut(f"{collector['name']}: {printable(collector['message'])}")
