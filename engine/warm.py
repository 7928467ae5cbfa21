"""The warm launcher: a process that has imported torch and forks tasks, so that they start at once.

    python -P -m llmos.engine.warm DESCRIPTOR [MODULE…]

It is told of tasks on a socket that its agent holds the other end of, and ends with it. Each task
it forks becomes a shim, which depends on nobody, and whose ranks have all that is imported here. It
never touches a GPU and never runs an operator: a fork takes along the memory, but no other thread
and no driver's state. So it forks only while it has one thread.
"""

import array
import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final, NoReturn

from ..agents.node.task import descriptors, newprocess, shim
from ..agents.node.task.rankcommand import RankCommand
from ..agents.node.task.taskfolder import TaskFolder
from . import rank

ALWAYS: Final = ("torch", "torch.distributed")

LARGEST_MESSAGE: Final = 2**16
MOST_LEASES: Final = 64


def main() -> None:
    """Import, say so, then fork a task for each message until the socket ends."""
    link = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(link.fileno(), False)
    newprocess.name_process("llmos-warm")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for module in (*ALWAYS, *sys.argv[2:]):
            import_module(module)
    except Exception as error:  # whatever stands in the job's way without us, too: it says so there
        _answer(link, error=f"{type(error).__name__}: {error}")
        return
    gc.collect()
    gc.freeze()  # a collection in a forked process would copy all the memory it looks at
    _answer(link)
    _serve(link)


def _serve(link: socket.socket) -> None:
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([link.fileno(), reader], [], [])
        if reader in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(reader, 4096)
            _reap()
        if link.fileno() in ready:
            task, leases = _receive(link)
            if task is None:
                return
            _fork(link, task, leases)
            for lease in leases:
                os.close(lease)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _receive(link: socket.socket) -> tuple[Path | None, list[int]]:
    """A task folder and the descriptors that hold its GPUs; no folder at the end of the socket."""
    leases = array.array("i")
    room = socket.CMSG_SPACE(MOST_LEASES * leases.itemsize)
    data, ancillary, *_ = link.recvmsg(LARGEST_MESSAGE, room)
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            leases.frombytes(content[: len(content) - len(content) % leases.itemsize])
    return (Path(json.loads(data)["task"]) if data else None), list(leases)


def _fork(link: socket.socket, task: Path, leases: Sequence[int]) -> None:
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        _answer(link, error=f"the warm launcher has {threads} threads")
        return
    # A stop that comes before the shim can handle it waits for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    pid = os.fork()
    if pid == 0:
        _become_shim(task, leases)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    _answer(link, pid=pid)


def _answer(link: socket.socket, **said: object) -> None:
    with contextlib.suppress(OSError):
        link.send(json.dumps(said).encode())


def _become_shim(task: Path, leases: Sequence[int]) -> NoReturn:
    code = 1
    try:
        newprocess.forget_signals()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        descriptors.close_all_but(leases)
        folder = TaskFolder(task)
        log = os.open(folder.shim_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        shim.own(folder, fork_rank)
        code = 0
    except BaseException as error:  # this is no warm launcher and must not go on as one
        print(f"the shim failed: {error!r}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def fork_rank(command: RankCommand, leases: Sequence[int]) -> int:
    """Start a rank as a fork of this process; its pid."""
    pid = os.fork()
    if pid == 0:
        _become_rank(command, leases)
    return pid


def _become_rank(command: RankCommand, leases: Sequence[int]) -> NoReturn:
    try:
        newprocess.forget_signals()
        newprocess.name_process(f"llmos-rank{command.rank}")
        descriptors.close_all_but(leases)
        for lease in leases:
            os.set_inheritable(lease, True)
        os.environ.clear()
        os.environ.update(command.environment)
        os.chdir(command.folder)
        _take_threads()
    except BaseException as error:
        print(f"the rank cannot start: {error!r}", file=sys.stderr, flush=True)
        os._exit(1)
    rank.run_and_exit(command.program)


def _take_threads() -> None:
    """The libraries read these variables when they were loaded, with other values."""
    torch = sys.modules["torch"]
    torch.set_num_threads(max(1, int(os.environ.get("OMP_NUM_THREADS", "1"))))
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


if __name__ == "__main__":
    main()
