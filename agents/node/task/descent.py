"""A process and all that came of it, found by descent and ended, never by name.

By descent finds what left its session, its parent or its environment behind, as long as the root
is a subreaper: orphans below it become its children and so stay in its tree.

Linux 5.4 or newer, for pidfds.
"""

import fcntl
import os
import signal
import struct
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, NamedTuple

GONE: Final = frozenset("ZXx")
"""States of a process that runs no more and only waits for its parent to ask."""

_PIDFD_INFO_EXIT: Final = 1 << 3
_PIDFD_GET_INFO: Final = 0xC040_FF0B
"""linux/pidfd.h: _IOWR(0xFF, 11, struct pidfd_info), 64 bytes."""


class Process(NamedTuple):
    """A process beyond doubt: pids are used again, a pid with its start is not."""

    pid: int
    ticks: int
    """Its start, in clock ticks since the boot."""


class Status(NamedTuple):
    """What `/proc/PID/stat` says."""

    process: Process
    parent: int
    state: str
    exit_code: int | None
    """Of a process that has ended and was not yet asked for, as subprocess says it: negative for a
    signal. None while it runs."""


def status(pid: int) -> Status | None:
    """The status of a process, None where there is none of that pid."""
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The command's name stands in brackets and may itself hold brackets and spaces.
    fields = line[line.rindex(b")") + 2 :].split()
    state = fields[0].decode()
    return Status(
        process=Process(pid, int(fields[19])),
        parent=int(fields[1]),
        state=state,
        exit_code=os.waitstatus_to_exitcode(int(fields[49])) if state in GONE else None,
    )


def living(process: Process) -> bool:
    """Whether exactly this process runs."""
    found = status(process.pid)
    return found is not None and found.process == process and found.state not in GONE


def itself() -> Process:
    """The calling process."""
    found = status(os.getpid())
    assert found is not None  # noqa: S101 — a process can read its own status
    return found.process


def boot_id() -> str:
    """The kernel's name for this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def open_process(process: Process) -> int | None:
    """A pidfd of exactly this process, None where it is gone. The caller closes it."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        return None
    found = status(process.pid)
    if found is not None and found.process == process:
        return descriptor
    os.close(descriptor)
    return None


def send(process: Process, number: signal.Signals) -> bool:
    """Signal exactly this process; False where it is gone or not ours to signal."""
    descriptor = open_process(process)
    if descriptor is None:
        return False
    try:
        signal.pidfd_send_signal(descriptor, number)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def wake(process: Process) -> bool:
    """Continue exactly this process where somebody stopped it; whether it was stopped."""
    found = status(process.pid)
    if found is None or found.process != process or found.state != "T":
        return False
    return send(process, signal.SIGCONT)


def exit_code(pidfd: int) -> int | None:
    """How a process ended that is another's child and was asked for already.

    By ioctl_pidfd(2), PIDFD_GET_INFO; None before Linux 6.15.
    """
    form = struct.Struct("=QQ11Ii")
    told = bytearray(form.pack(_PIDFD_INFO_EXIT, *[0] * 13))
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, told)
    except OSError:
        return None
    mask, *_, ended_with = form.unpack(told)
    return os.waitstatus_to_exitcode(ended_with) if mask & _PIDFD_INFO_EXIT else None


def descends(pid: int, root: int) -> bool:
    """Whether `root` is above `pid`."""
    while pid > 1:
        found = status(pid)
        if found is None:
            return False
        pid = found.parent
        if pid == root:
            return True
    return False


def children(pid: int) -> list[int]:
    """The pids of the children of a process, by the kernel's list where it keeps one."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            listed = Path(f"/proc/{pid}/task/{task}/children").read_text()
            found += [int(child) for child in listed.split()]
    except OSError:
        return [one.process.pid for one in everybody() if one.parent == pid]
    return found


def environment(pid: int) -> dict[str, str]:
    """What a process was started with, as far as we may look; empty where we may not."""
    try:
        started_with = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (pair.partition("=") for pair in os.fsdecode(started_with).split("\0"))
    return {name: value for name, _, value in pairs}


def living_below(root: int) -> list[Status]:
    """Every living process below `root`, parents before children."""
    children: dict[int, list[Status]] = {}
    for found in everybody():
        children.setdefault(found.parent, []).append(found)
    living: list[Status] = []
    parents = [root]
    while parents:
        for child in children.get(parents.pop(), []):
            parents.append(child.process.pid)
            if child.state not in GONE:
                living.append(child)
    return living


def kill_below(root: int, spare: Collection[int] = (), seconds: float = 1.0) -> list[Status]:
    """SIGKILL what is below `root`, again and again until nothing is; what is left after `seconds`.

    Of the pids in `spare`, the processes themselves are left alone, not what is below them.
    The caller reaps what becomes a child of its own.
    """
    until = time.monotonic() + seconds
    pause = 0.002
    while living := [one for one in living_below(root) if one.process.pid not in spare]:
        for one in living:
            send(one.process, signal.SIGKILL)
        if time.monotonic() > until:
            return living
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
    return []


def everybody() -> Iterator[Status]:
    """Every process of the host that we may see."""
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := status(int(name))) is not None:
            yield found
