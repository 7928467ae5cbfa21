"""A process and all that came of it, found by descent and ended, never by name.

By descent finds what left its session, its parent or its environment behind, as long as the root
is a subreaper: orphans below it become its children and so stay in its tree.

Linux 5.4 or newer, for pidfds.
"""

import os
import signal
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, NamedTuple

GONE: Final = frozenset("ZXx")
"""States of a process that runs no more and only waits for its parent to ask."""


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
        return [one.process.pid for one in _all() if one.parent == pid]
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
    for found in _all():
        children.setdefault(found.parent, []).append(found)
    living: list[Status] = []
    parents = [root]
    while parents:
        for child in children.get(parents.pop(), []):
            parents.append(child.process.pid)
            if child.state not in GONE:
                living.append(child)
    return living


def marked(folder: Path) -> list[Process]:
    """Living processes of a task without a parent of ours, other than the calling one.

    A rank and what came of it carry the task in their environment, as far as they were started as
    programs, or write what they print to a file in its folder.
    """
    return [
        one.process
        for one in _all()
        if one.state not in GONE and one.process.pid != os.getpid() and _belongs(one, folder)
    ]


def _belongs(one: Status, folder: Path) -> bool:
    pid = one.process.pid
    if environment(pid).get("LLMOS_TASK") == str(folder):
        return True
    for descriptor in (1, 2):
        try:
            if Path(os.readlink(f"/proc/{pid}/fd/{descriptor}")).is_relative_to(folder):
                return True
        except OSError:
            continue
    return False


def kill_marked(folder: Path) -> list[Process]:
    """SIGKILL what carries the mark of a task, and what is below it; those that were killed."""
    found = marked(folder)
    for process in found:
        kill_below(process.pid)
        send(process, signal.SIGKILL)
    return found


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


def _all() -> Iterator[Status]:
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := status(int(name))) is not None:
            yield found
