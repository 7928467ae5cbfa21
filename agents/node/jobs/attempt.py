"""One attempt of a job, as its agent sees it: a shim to start or to find again, watch and tell.

A shim that is lost is followed by another: what it owned runs on, under the launcher.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from ...errors import LaunchError
from ...protocol.jobs import ENDED, Program, TaskState
from ..task import descent, locks, mark
from ..task.leases import Lease
from ..task.taskfolder import TaskFolder
from .warmpool import WarmPool

SHIM: Final = "llmos.agents.node.task.shim"

FIRST_STATE: Final = 1.0
"""Seconds in which a shim that somebody else started says its first word, or is taken for gone. Of
two shims one is too many and ends: this may be short."""

MOST_SHIMS: Final = 20
"""Shims of one attempt: somebody kills them, or they cannot live, and there is no use in more."""

_OURS: Final = frozenset({"LLMOS_JOB", "LLMOS_ATTEMPT", "LLMOS_TASK", "LLMOS_SPEC"})


class Attempt:
    """The shim of a task folder. It is not ours to end: it lives on when the agent does not."""

    def __init__(self, folder: TaskFolder, changed: Callable[[], None]) -> None:
        self.folder = folder
        self.state: TaskState | None = None
        """The newest that a shim said."""

        self.shim: int | None = None
        """The pid of the newest shim."""

        self._changed = changed
        self._pid: int | None = None
        self._pidfd: int | None = None
        self._lost = False
        """Whether the shim has ended. What it said last is then in `state`."""

        self._shims = 0
        self._version: tuple[int, int] | None = None
        self._stop_asked = folder.stop.exists()
        self._found = time.monotonic()

    async def start(self, program: Program, lease: Lease, pool: WarmPool) -> None:
        """Start the shim, warm where that can be, and hand the lease over to it.

        Raises LaunchError.
        """
        pid = await pool.launch(program, self.folder.path, lease.descriptors)
        if pid is not None:
            with contextlib.suppress(OSError):
                self._watch(os.pidfd_open(pid))
                self._pid = None
        if self._pidfd is None:
            pid = self._spawn(lease.descriptors)
        assert pid is not None  # noqa: S101 — spawned, where it was not forked
        self.shim = pid
        lease.hand_over(pid)
        self._shims += 1

    @property
    def over(self) -> bool:
        """Whether nothing more comes: the task has ended, or no shim can be had for it."""
        if self.state is not None and self.state.state in ENDED:
            return self._lost
        return self._lost and self._shims >= MOST_SHIMS

    def look(self) -> None:
        """Read the state, if there is a newer one; let another shim follow one that was lost."""
        self._read()
        if self.over or (self._pidfd is not None and not self._lost):
            return
        if not self._lost and not self._never_came():
            return
        if not locks.is_locked(self.folder.shim_lock):
            self._follow()
        elif self._lost and self.state is not None:
            self.close()
            self._find(self.state)

    def stop(self) -> None:
        """Ask the shim to stop the task; one that is not found yet, when it is."""
        self._stop_asked = True
        self.folder.ask_to_stop()
        if self._pidfd is not None and not self._lost:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)
                self.wake()

    def wake(self) -> bool:
        """Continue shim and launcher where somebody stopped them; whether one was stopped."""
        if self.shim is None or self._lost:
            return False
        found = descent.status(self.shim)
        return found is not None and descent.wake(found.process)

    def clear(self) -> int:
        """End what is left of a task that no shim can be had for; how many processes."""
        processes = mark.marked(self.folder.path)
        mark.kill_marked(self.folder.path)
        return len(processes)

    def close(self) -> None:
        """Look away."""
        if self._pidfd is not None:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def _read(self) -> None:
        try:
            found = self.folder.state.stat()
        except OSError:
            return
        version = (found.st_ino, found.st_mtime_ns)
        state = self.folder.read_state() if version != self._version else None
        if state is None:
            return
        self._version = version
        self.state = state
        self.shim = state.shim
        if self._pidfd is None and not self._lost:
            self._find(state)

    def _follow(self) -> None:
        """Start a shim for a task that has lost its own. It finds what runs, or starts it."""
        self.close()
        self._shims += 1
        self._found = time.monotonic()
        try:
            self.shim = self._spawn()
        except LaunchError:
            self._lost = True
            return
        self._lost = False

    def _spawn(self, leases: Sequence[int] = ()) -> int:
        """Start a shim as a program of its own, detached. Raises LaunchError."""
        log = os.fspath(self.folder.shim_log)
        arguments = [sys.executable, "-P", "-m", SHIM, str(self.folder.path)]
        appending = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        try:
            self._pid = os.posix_spawn(
                sys.executable,
                arguments,
                {name: value for name, value in os.environ.items() if name not in _OURS},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, log, appending, 0o600),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                    # Onto itself: inherited by this process alone (posix_spawn(3)).
                    *((os.POSIX_SPAWN_DUP2, lease, lease) for lease in leases),
                ],
                setsid=True,
                # A stop that comes before the shim can handle it waits for it.
                setsigmask=[signal.SIGTERM],
                setsigdef=[signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE],
            )
            self._watch(os.pidfd_open(self._pid))
        except OSError as error:
            if self._pid is not None:
                os.kill(self._pid, signal.SIGTERM)
            raise LaunchError(f"cannot start a process: {error.strerror}") from error
        return self._pid

    def _never_came(self) -> bool:
        """Whether a shim that we did not start ourselves has had the time to speak and did not."""
        return time.monotonic() - self._found > FIRST_STATE

    def _find(self, state: TaskState) -> None:
        """The shim that said this; one that is gone is followed, if its task has not ended."""
        pidfd = None
        if state.boot == descent.boot_id():
            pidfd = descent.open_process(descent.Process(state.shim, state.shim_ticks))
        self._lost = pidfd is None
        if pidfd is not None:
            self._watch(pidfd)

    def _watch(self, pidfd: int) -> None:
        self._pidfd = pidfd
        if self._stop_asked:
            self.stop()
        asyncio.get_running_loop().add_reader(pidfd, self._ended)

    def _ended(self) -> None:
        """The pidfd says that the shim ran its last. The state is read once more by `look`."""
        assert self._pidfd is not None  # noqa: S101
        asyncio.get_running_loop().remove_reader(self._pidfd)
        if self._pid is not None:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, os.WNOHANG)
        self._lost = True
        self._changed()
