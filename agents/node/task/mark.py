"""The mark of a task: by it a process is found that has left the tree of shim and launcher.

Descent finds what a task started as long as a subreaper of ours is above it. Where both were
killed, an orphan is init's; then it is known by what it took along: a limit that the launcher set,
the task in its environment, or the log it prints to.
"""

import contextlib
import hashlib
import os
import resource
import signal
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

from . import descent
from .descent import Process, Status

_LEAST_MARK: Final = 2**60
"""Microseconds, 36,000 years: above what anybody sets."""

_PAUSE: Final = 0.01
"""Seconds between looks at what is still there."""


def bear(folder: Path) -> None:
    """Have this process and all that will come of it bear the mark of a task.

    A limit on real-time scheduling, longer than anything runs: it limits nothing, and is passed on
    through forks, programs, sessions and cleaned environments.
    """
    with contextlib.suppress(ValueError, OSError):
        _, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
        resource.setrlimit(resource.RLIMIT_RTTIME, (_mark(folder), hard))


def marked(folder: Path) -> list[Process]:
    """The living processes of a task, wherever they are, other than the calling one."""
    limit = b" %d " % _mark(folder)
    return [
        one.process
        for one in descent.everybody()
        if one.state not in descent.GONE
        and one.process.pid != os.getpid()
        and (limit in _limits(one.process.pid) or _belongs(one.process.pid, folder))
    ]


def kill_marked(folder: Path, spare: Collection[int] = (), seconds: float = 1.0) -> list[Status]:
    """SIGKILL what came of a task, again and again until nothing is left.

    What is left after `seconds` is returned; the processes in `spare` are left alone.
    """
    until = time.monotonic() + seconds
    while living := [one for one in marked(folder) if one.pid not in spare]:
        for one in living:
            descent.kill_below(one.pid, spare)
            descent.send(one, signal.SIGKILL)
        if time.monotonic() > until:
            return [now for one in living if (now := descent.status(one.pid)) is not None]
        time.sleep(_PAUSE)
    return []


def _mark(folder: Path) -> int:
    digest = hashlib.sha256(os.fsencode(folder)).digest()
    return _LEAST_MARK + int.from_bytes(digest[:7], "big")


def _limits(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/limits").read_bytes()
    except OSError:
        return b""


def _belongs(pid: int, folder: Path) -> bool:
    """Whether a process carries the task in its environment, or prints to a file in its folder."""
    if descent.environment(pid).get("LLMOS_TASK") == str(folder):
        return True
    for descriptor in (1, 2):
        try:
            if Path(os.readlink(f"/proc/{pid}/fd/{descriptor}")).is_relative_to(folder):
                return True
        except OSError:
            continue
    return False
