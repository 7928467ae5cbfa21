"""The process that starts a task's ranks and is their parent, forked by the shim.

It says in `launcher.jsonl` which processes its ranks are and how each ended, and to the shim the
same by a pipe. Shim and launcher can each be lost without harm: both are subreapers, so that what
one of them leaves becomes the child of the other or stays it; a launcher goes on without a shim,
and the next shim reads what was said meanwhile.

torch has no part in it. Its elastic launcher would import torch once more before the first rank
starts, keep the store that the ranks meet in, and take the ranks with it when it is killed.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import os
import resource
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, NoReturn

import msgspec

from ...protocol.jobs import TaskOrder
from . import descent, descriptors
from .rankcommand import RankCommand, rank_commands
from .taskfolder import TaskFolder
from .words import cannot_start

ALREADY_THERE: Final = 75
"""Exit code where another launcher has the task."""

_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NAME: Final = 15

_LEAST_MARK: Final = 2**60
"""Microseconds, 36,000 years: above what anybody sets."""

_PIDFD_INFO_EXIT: Final = 1 << 3
_PIDFD_GET_INFO: Final = 0xC040_FF0B
"""linux/pidfd.h: _IOWR(0xFF, 11, struct pidfd_info), 64 bytes."""

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

    def run(self, start: StartRank) -> int:
        """Until no rank is left; the exit code of this process."""
        lock = os.open(self._folder.launcher_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return ALREADY_THERE
        become_subreaper()
        mark_descent(self._folder)
        name_process("llmos-launcher")
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
        with contextlib.suppress(OSError):  # a full disk: the shim hears it all the same
            lines = os.open(
                self._folder.launcher, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            os.write(lines, line)
            os.close(lines)
        with contextlib.suppress(OSError):  # no shim: the next one reads the file
            os.write(self._pipe, line)


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
        forget_signals()
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
    """The whole lines of a launcher, those left out that cannot be read."""
    for line in text.split(b"\n")[:-1]:
        with contextlib.suppress(ValueError):
            yield msgspec.json.decode(line, type=Said)


def lives(folder: TaskFolder) -> bool:
    """Whether a launcher holds the task, be it that it has said nothing yet."""
    try:
        lock = os.open(folder.launcher_lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def wake(process: descent.Process) -> None:
    """Continue a launcher that somebody stopped before each rank was started."""
    found = descent.status(process.pid)
    if found is not None and found.state == "T":
        descent.send(process, signal.SIGCONT)


def mark_descent(folder: TaskFolder) -> None:
    """Have this process and all that will come of it bear a mark of the task.

    A limit on real-time scheduling, longer than anything runs: it limits nothing, and is passed on
    through forks, programs, sessions and cleaned environments.
    """
    with contextlib.suppress(ValueError, OSError):
        _, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
        resource.setrlimit(resource.RLIMIT_RTTIME, (_mark(folder), hard))


def kill_marked(
    folder: TaskFolder, spare: Collection[int] = (), seconds: float = 1.0
) -> list[descent.Status]:
    """SIGKILL what came of a task, whoever is its parent now; what is left after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        found = {*descent.marked(folder.path), *_bearing(_mark(folder))}
        living = [one for one in found if one.pid not in spare and descent.living(one)]
        for one in living:
            descent.send(one, signal.SIGKILL)
        if not living or time.monotonic() > until:
            return [now for one in living if (now := descent.status(one.pid)) is not None]
        time.sleep(0.01)


def _mark(folder: TaskFolder) -> int:
    digest = hashlib.sha256(os.fsencode(folder.path)).digest()
    return _LEAST_MARK + int.from_bytes(digest[:7], "big")


def _bearing(mark: int) -> Iterator[descent.Process]:
    """The processes that bear a mark, other than the calling one."""
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) != os.getpid():
            limits = _read(Path("/proc", name, "limits"))
            if b" %d " % mark in limits and (found := descent.status(int(name))) is not None:
                yield found.process


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
    mask, *_, status = form.unpack(told)
    return os.waitstatus_to_exitcode(status) if mask & _PIDFD_INFO_EXIT else None


def forget_signals() -> None:
    """Take a forked process back to what a new one does with signals."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def become_subreaper() -> None:
    """Be the parent of every orphan below."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        why = os.strerror(ctypes.get_errno())
        print(f"cannot become a subreaper: {why}", file=sys.stderr, flush=True)


def name_process(name: str) -> None:
    """What `ps -o comm` shows, 15 bytes: a forked process keeps the command line it came from."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def lines_of(folder: TaskFolder) -> bytes:
    """All that the launcher has said so far."""
    return _read(folder.launcher)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
