"""One attempt of a job, as its agent sees it: a shim to start or to find again, watch and tell."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Final

from ..errors import LaunchError
from ..protocol.jobs import TaskState
from . import descent
from .taskfolder import TaskFolder

FIRST_STATE: Final = 5.0
"""Seconds in which a shim that somebody else started says its first word, or is taken for gone."""

CLEARING: Final = 5.0
"""Seconds to end what a shim that is gone has left."""

_OURS: Final = frozenset({"LLMOS_JOB", "LLMOS_ATTEMPT", "LLMOS_TASK", "LLMOS_SPEC"})


class Attempt:
    """The shim of a task folder. It is not ours to end: it lives on when the agent does not."""

    def __init__(self, folder: TaskFolder, changed: Callable[[], None]) -> None:
        self.folder = folder
        self.state: TaskState | None = None
        """The newest that the shim said."""

        self.gone = False
        """Whether the shim has ended. What it said last is then in `state`."""

        self._changed = changed
        self._pid: int | None = None
        self._pidfd: int | None = None
        self._version: tuple[int, int] | None = None
        self._stop_asked = False
        self._found = time.monotonic()

    def start(self) -> None:
        """Start the shim, detached. Raises LaunchError."""
        log = os.fspath(self.folder.shim_log)
        arguments = [sys.executable, "-P", "-m", "llmos.agents.node.shim", str(self.folder.path)]
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

    def look(self) -> None:
        """Read the state, if there is a newer one."""
        try:
            found = self.folder.state.stat()
        except OSError:
            self.gone = self.gone or self._never_came()
            return
        version = (found.st_ino, found.st_mtime_ns)
        state = self.folder.read_state() if version != self._version else None
        if state is None:
            return
        self._version = version
        self.state = state
        if self._pidfd is None and not self.gone:
            self._find(state)

    def stop(self) -> None:
        """Ask the shim to stop the task; one that is not found yet, when it is."""
        self._stop_asked = True
        if self._pidfd is not None and not self.gone:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)

    def clear(self) -> int:
        """End what a shim that was killed has left; how many processes. Blocks for seconds.

        Without the shim only what carries the task's mark is found, and what is below it.
        """
        until = time.monotonic() + CLEARING
        ended: set[descent.Process] = set()
        while left := self._left():
            for process in left:
                descent.kill_below(process.pid)
                descent.send(process, signal.SIGKILL)
            ended.update(left)
            if time.monotonic() > until:
                break
            time.sleep(0.02)
        return len(ended)

    def close(self) -> None:
        """Look away."""
        if self._pidfd is not None:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def _left(self) -> list[descent.Process]:
        marked = descent.marked("LLMOS_TASK", str(self.folder.path))
        return [process for process in marked if process.pid != os.getpid()]

    def _never_came(self) -> bool:
        """Whether a shim that we did not start ourselves has had the time to speak and did not."""
        return self._pidfd is None and time.monotonic() - self._found > FIRST_STATE

    def _find(self, state: TaskState) -> None:
        pidfd = None
        if state.boot == descent.boot_id():
            pidfd = descent.open_process(descent.Process(state.shim, state.shim_ticks))
        if pidfd is None:
            self.gone = True
        else:
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
        self.gone = True
        self._changed()
