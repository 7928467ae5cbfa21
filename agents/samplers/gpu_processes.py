"""Which processes a GPU's driver names."""

from typing import Any, Final, NamedTuple

import pynvml  # type: ignore[import-untyped]

from .gpu_figures import Ask


class GpuProcess(NamedTuple):
    """A process that uses one GPU or MIG instance."""

    pid: int
    memory: int | None
    """MiB."""

    use: str
    """compute, graphics, or both."""


LISTS: Final = (
    ("compute", pynvml.nvmlDeviceGetComputeRunningProcesses_v3),
    ("graphics", pynvml.nvmlDeviceGetGraphicsRunningProcesses_v3),
)
OLDER: Final = {
    pynvml.nvmlDeviceGetComputeRunningProcesses_v3: pynvml.nvmlDeviceGetComputeRunningProcesses_v2,
    pynvml.nvmlDeviceGetGraphicsRunningProcesses_v3: (
        pynvml.nvmlDeviceGetGraphicsRunningProcesses_v2
    ),
}


def read_processes(ask: Ask) -> list[GpuProcess]:
    """The processes, each once: one that computes and draws is in both of the driver's lists."""
    found: dict[int, GpuProcess] = {}
    for use, function in LISTS:
        for entry in _list(ask, function):
            memory = None if entry.usedGpuMemory is None else entry.usedGpuMemory >> 20
            seen = found.get(entry.pid)
            if seen is None:
                found[entry.pid] = GpuProcess(entry.pid, memory, use)
            else:
                figures = [figure for figure in (seen.memory, memory) if figure is not None]
                found[entry.pid] = GpuProcess(entry.pid, max(figures, default=None), "both")
    return list(found.values())


def _list(ask: Ask, function: Any) -> Any:
    try:
        return ask(function)
    except pynvml.NVMLError_FunctionNotFound:
        return ask(OLDER[function])
