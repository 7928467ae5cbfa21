"""The process that starts a task's ranks and is their parent, forked by the shim.

It says in `launcher.jsonl` which processes its ranks are and how each ended, and to the shim the
same by a pipe. Shim and launcher can each be lost without harm: both are subreapers, so that what
one of them leaves becomes the child of the other or stays it; a launcher goes on without a shim,
and the next shim reads what was said meanwhile.

torch has no part in it. Its elastic launcher would import torch once more before the first rank
starts, keep the store that the ranks meet in, and take the ranks with it when it is killed.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, NoReturn

import msgspec

from ...protocol.jobs import TaskOrder
from ..regularfile import read_regular
from . import descent, descriptors, locks, mark, newprocess
from .rankcommand import RankCommand, rank_commands
from .taskfolder import TaskFolder
from .words import cannot_start

ALREADY_THERE: Final = 75
"""Exit code where another launcher has the task."""

StartRank = Callable[[RankCommand, Sequence[int]], int]
"""Starts a rank that inherits these descriptors; its pid. Raises OSError or ValueError."""


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the launcher."""

    what: Literal["launcher", "rank", "exit", "error", "end"]
    time: float
    pid: int = 0
    ticks: int = 0
    rank: int = 0
    code: int = 0
    text: str = ""


class Launcher:
    """Starts the ranks, then waits until they have ended."""

    def __init__(
        self, order: TaskOrder, folder: TaskFolder, pipe: int, leases: Sequence[int]
    ) -> None:
        self._order = order
        self._folder = folder
        self._pipe = pipe
        self._leases = leases
        self._ranks: dict[int, int] = {}
        """Rank by pid."""

        self._unwritten = b""
        self._written = 0
        """Bytes of the file that say something; behind them it is filled with zeros."""

    def run(self, start: StartRank) -> int:
        """Until no rank is left; the exit code of this process."""
        lock = os.open(self._folder.launcher_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not locks.lock_alone(lock):
            return ALREADY_THERE
        newprocess.become_subreaper()
        mark.bear(self._folder.path)
        newprocess.name_process("llmos-launcher")
        myself = descent.itself()
        self._say(Said(what="launcher", time=time.time(), pid=myself.pid, ticks=myself.ticks))
        try:
            self._start(start)
        except (OSError, ValueError) as error:
            text = cannot_start(self._order, error)
            self._say(Said(what="error", time=time.time(), text=text))
        else:
            self._wait()
        descent.kill_below(myself.pid)
        self._say(Said(what="end", time=time.time()))
        return 0

    def _start(self, start: StartRank) -> None:
        for command in rank_commands(self._order, self._folder, os.environ):
            if not command.folder.is_dir():
                raise NotADirectoryError(2, "no such folder", str(command.folder))
            pid = start(command, self._leases)
            self._ranks[pid] = command.rank
            found = descent.status(pid)
            ticks = 0 if found is None else found.process.ticks
            self._say(Said(what="rank", time=time.time(), rank=command.rank, pid=pid, ticks=ticks))

    def _wait(self) -> None:
        while self._ranks:
            pid, status = os.waitpid(-1, 0)
            rank = self._ranks.pop(pid, None)
            if rank is not None:
                code = os.waitstatus_to_exitcode(status)
                self._say(Said(what="exit", time=time.time(), rank=rank, code=code))

    def _say(self, said: Said) -> None:
        line = msgspec.json.encode(said) + b"\n"
        self._unwritten += line
        with contextlib.suppress(OSError):  # a full disk: the shim hears it all the same
            self._write()
        with contextlib.suppress(OSError):  # no shim: the next one reads the file
            os.write(self._pipe, line)

    def _write(self) -> None:
        """Write what is not written yet, into the room that was kept aside for it."""
        lines = os.open(self._folder.launcher, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            written = os.pwrite(lines, self._unwritten, self._written)
        finally:
            os.close(lines)
        self._written += written
        self._unwritten = self._unwritten[written:]


def fork(
    order: TaskOrder, folder: TaskFolder, leases: Sequence[int], start: StartRank
) -> tuple[int, int]:
    """Start the launcher; its pid, and the descriptor from which its lines are read."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _live(Launcher(order, folder, writer, leases), start, [writer, *leases])
    os.close(writer)
    return pid, reader


def _live(launcher: Launcher, start: StartRank, kept: Sequence[int]) -> NoReturn:
    code = 1
    try:
        newprocess.forget_signals()
        descriptors.close_all_but(kept)
        signal.signal(signal.SIGTERM, lambda *_: None)  # the shim decides what ends
        signal.signal(signal.SIGHUP, lambda *_: None)
        code = launcher.run(start)
    except BaseException as error:  # whatever it is, this is no shim and must not go on as one
        print(f"the launcher failed: {error!r}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def spawn(command: RankCommand, leases: Sequence[int]) -> int:
    """Start a rank as a program of its own."""
    started = subprocess.Popen(
        command.arguments,
        cwd=command.folder,
        env=command.environment,
        stdin=subprocess.DEVNULL,
        pass_fds=leases,
    )
    started.returncode = 0  # who started it waits for it, not this object
    return started.pid


def said_in(text: bytes) -> Iterator[Said]:
    """The whole lines of a launcher, those left out that cannot be read; no line is the room that
    is kept for more."""
    for line in text.split(b"\n")[:-1]:
        with contextlib.suppress(ValueError):
            yield msgspec.json.decode(line, type=Said)


def lines_of(folder: TaskFolder) -> bytes:
    """All that the launcher has said so far."""
    try:
        return read_regular(folder.launcher)
    except OSError:
        return b""
