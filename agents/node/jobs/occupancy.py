"""Which GPUs are free, and who has the others: from leases and the driver's view to the queue's."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ...errors import LlmosError
from ...protocol.facts import GpuFacts
from ..task.leases import Holder, Leases, runs

if TYPE_CHECKING:
    from ...samplers.gpu_processes import GpuProcess

SMALL_MEMORY: Final = 512
"""MiB. A bare CUDA context takes 300 to 500 on today's GPUs: whoever has no more than that (a
monitor, a desktop's decoder, the MPS server) computes nothing that a job would suffer from."""

TROUBLES: Final[Mapping[str | None, str]] = {
    None: "not known yet",
    "lost": "lost",
    "hung": "hung",
    "failed": "failing",
}
"""By the state of a row: why it is not free. A slow GPU is."""

FIRST_NAMESPACE: Final = "pid:[4026531836]"
"""The kernel's PROC_PID_INIT_INO: there the driver's pids are those of /proc."""

NAME: Final = re.compile(r"^Name:\t(.*)$", re.MULTILINE)
OWNER: Final = re.compile(r"^Uid:\t(\d+)", re.MULTILINE)


class GpuUse(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU, or a MIG instance, as the queue sees it."""

    row: int
    uuid: str | None
    holder: str | None = None
    """Why it is not free, as "held by job 12" or "lost"; None if it is free."""

    sharing: tuple[str, ...] = ()
    """Who uses it besides, as "Xorg, pid 812, 120 MiB"."""


def occupancy(
    gpus: Sequence[GpuFacts],
    states: Mapping[int, str | None],
    processes: Iterable[tuple[int, "GpuProcess"]],
    ours: Mapping[int, str],
    leases: Leases,
) -> list[GpuUse]:
    """Every GPU that a job can have: a divided one is none, its instances are.

    `states` is one of GPU_STATES by row, `processes` are the driver's with the row of their GPU,
    `ours` gives the job by the pids of our shims and ranks.
    """
    by_row: dict[int, list[GpuProcess]] = {}
    for row, process in processes:
        if not _gone(process.pid):
            by_row.setdefault(row, []).append(process)
    divided = {gpu.parent for gpu in gpus} | {gpu.index for gpu in gpus if gpu.mig}
    return [
        _use(gpu, states.get(gpu.index), by_row.get(gpu.index, []), ours, leases)
        for gpu in gpus
        if gpu.index not in divided
    ]


def _use(
    gpu: GpuFacts,
    state: str | None,
    processes: Sequence["GpuProcess"],
    ours: Mapping[int, str],
    leases: Leases,
) -> GpuUse:
    if state in TROUBLES:
        return GpuUse(row=gpu.index, uuid=gpu.uuid, holder=TROUBLES[state])
    if gpu.uuid is None:
        return GpuUse(row=gpu.index, uuid=None, holder="without a UUID")
    strangers = [process for process in processes if process.pid not in ours]
    large = [process for process in strangers if _blocks(process)]
    job = _job(processes, ours)
    try:
        lease = leases.holder(gpu.uuid)
    except LlmosError as error:
        holder: str | None = f"not to be leased: {error}"
    else:
        job = _job_of(lease, ours) or (job if lease is None else None)
        holder = f"held by job {job}" if job else _stranger(lease, large)
    # The large processes of a GPU that strangers hold are those that hold it.
    sharing = strangers if job else [process for process in strangers if process not in large]
    return GpuUse(row=gpu.index, uuid=gpu.uuid, holder=holder, sharing=tuple(map(_sharer, sharing)))


def _blocks(process: "GpuProcess") -> bool:
    """Whether a process leaves no room for a job. What it has is taken for much if not known."""
    small = process.memory is not None and process.memory < SMALL_MEMORY
    return process.use != "graphics" and not small


def _gone(pid: int) -> bool:
    """Whether a process has ended since the driver named it, which may be two seconds ago.

    Not known in a container, where the driver names pids of the host.
    """
    return _namespace() == FIRST_NAMESPACE and not runs(pid)


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _job(processes: Iterable["GpuProcess"], ours: Mapping[int, str]) -> str | None:
    """The job of ours that computes on a GPU, with a lease or without."""
    return next((ours[process.pid] for process in processes if process.pid in ours), None)


def _job_of(lease: Holder | None, ours: Mapping[int, str]) -> str | None:
    """The job of ours that has a lease.

    A lease that was not handed over when its agent died names that agent: then it is known by
    user and job.
    """
    if lease is None or lease.pid is None:
        return None
    if lease.pid in ours:
        return ours[lease.pid]
    left = lease.uid == os.getuid() and lease.job in ours.values() and not lease.runs()
    return lease.job if left or lease.pid == os.getpid() else None


def _stranger(lease: Holder | None, large: Sequence["GpuProcess"]) -> str | None:
    """Who else has a GPU; None if nobody."""
    if lease is not None:
        if lease.pid is None:
            return "held by an unknown process"
        left = "" if lease.runs() else "what is left of "
        return f"held by {left}{_named(lease.pid, lease.uid)}"
    if not large:
        return None
    process = max(large, key=lambda process: (process.memory or 0, -process.pid))
    others = {0: "", 1: " and 1 other"}.get(len(large) - 1, f" and {len(large) - 1} others")
    _, uid = _who(process.pid)
    return f"held by {_named(process.pid, uid)}{others}"


def _named(pid: int, uid: int | None) -> str:
    return f"pid {pid}" if uid is None else f"pid {pid}, uid {uid}"


def _sharer(process: "GpuProcess") -> str:
    name, _ = _who(process.pid)
    memory = None if process.memory is None else f"{process.memory} MiB"
    return ", ".join(part for part in (name, f"pid {process.pid}", memory) if part)


def _who(pid: int) -> tuple[str | None, int | None]:
    """Name and user of a process, None where /proc does not show it.

    Not its command line, for which a process that hangs in the driver lets nobody wait in vain.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return None, None
    name, owner = NAME.search(status), OWNER.search(status)
    shown = "".join(letter for letter in name[1] if letter.isprintable()) if name else ""
    return shown or None, int(owner[1]) if owner else None
