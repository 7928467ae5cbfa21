"""Each rank's first steps and last word: its log, its stacks on demand, then the program as python
runs it, then how it ended.

    python rank.py script.py args…        python rank.py -m package.module args…

The launcher runs this file by its path, in whatever environment the program needs: it knows the
standard library only, and neither llmos nor torch. The program finds sys.argv, sys.path and
`__main__` as if python had started it, and ends with python's own tracebacks and exit codes. A
process that was forked with much imported already becomes the program in the same way.
"""

import atexit
import ctypes
import faulthandler
import fcntl
import gc
import io
import json
import os
import runpy
import signal
import sys
import threading
import time
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from types import CodeType, ModuleType, TracebackType
from typing import List, NoReturn, Optional, Type  # noqa: UP035 - the program's python may be an old one

STACKS_SIGNAL = signal.SIGURG
"""Asks a rank for the stacks of its threads, which come to its log. Ignored by default, so that a
process which has not registered it, or has replaced itself, lives on. SIGUSR1 is taken by batch
systems that announce a time limit, SIGUSR2 by torch (c10's FatalSignalHandler)."""

PR_SET_PTRACER = 0x59616D61
PR_SET_PTRACER_ANY = ctypes.c_ulong(-1)
"""linux/prctl.h: lets py-spy, which is no parent of ours, attach under Yama's restriction."""


LONGEST_MESSAGE = 2000
"""Characters of an exception that are passed on."""


def main() -> None:
    """Prepares the process and becomes the program named in the arguments."""
    ended: Optional[BaseException] = None  # noqa: UP045
    try:
        run(sys.argv[1:], forked=False)
    except KeyboardInterrupt:  # python ends itself by the signal
        raise
    except BaseException as error:
        if not gloo_runs():
            raise
        ended = error
    if gloo_runs():
        leave(exit_code(ended))


def run(arguments: List[str], forked: bool) -> None:  # noqa: UP006
    """Prepares the process and becomes the program; returns or raises as the program does.

    A `forked` process has no script of its own whose folder sys.path begins with.
    """
    task, rank = os.environ.get("LLMOS_TASK"), os.environ.get("RANK", "0")
    if task:
        write_to_log(os.path.join(task, "logs"), rank)
    faulthandler.register(STACKS_SIGNAL, file=stacks_file(task, rank), all_threads=True)
    allow_tracing()
    try:
        become(arguments, forked)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        leave_note(task, rank, code, None)
        raise
    except BaseException as error:
        leave_note(task, rank, 1, "%s: %s" % (type(error).__name__, error))  # noqa: UP031
        raise
    leave_note(task, rank, 0, None)


def run_and_exit(arguments: List[str]) -> NoReturn:  # noqa: UP006
    """For a forked process: becomes the program and ends as python ends, never to return."""
    ended: Optional[BaseException] = None  # noqa: UP045
    try:
        run(arguments, forked=True)
    except BaseException as error:
        ended = error
    leave(exit_code(ended))


def exit_code(ended: Optional[BaseException]) -> int:  # noqa: UP045
    """The exit code python gives to this end of a program, after python's words about it."""
    if ended is None:
        return 0
    if not isinstance(ended, SystemExit):
        sys.excepthook(type(ended), ended, ended.__traceback__)
        return 1
    if ended.code is None or isinstance(ended.code, int):
        return ended.code or 0
    print(ended.code, file=sys.stderr)
    return 1


def leave(code: int) -> NoReturn:
    """Ends as python ends, but for taking the interpreter apart under threads that still run."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as python does
        atexit._run_exitfuncs()
        for file in gc.get_objects():
            # What the program left open. By exact type: asking a proxy may run its code.
            if type(file) in (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom):
                with suppress(OSError, ValueError):
                    file.flush()
    finally:
        os._exit(code & 0xFF)


def gloo_runs() -> bool:
    """Whether gloo's workers live, as they do even after destroy_process_group while a model or an
    optimizer holds the group. One that lets go of a tensor while python takes itself apart aborts
    the process, after all its work is done (pytorch/pytorch pull request 179291)."""
    for thread in os.listdir("/proc/self/task"):
        with suppress(OSError), open("/proc/self/task/%s/comm" % thread) as name:  # noqa: UP031
            if name.read().startswith("pt_gloo"):
                return True
    return False


def stacks_file(task: Optional[str], rank: str) -> int:  # noqa: UP045
    """Where the stacks are written, at a high descriptor that no program closes by mistake."""
    if not task:
        return 2
    path = os.path.join(task, "stacks", "rank-%s.txt" % rank)  # noqa: UP031
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        low = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return 2
    high = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 100)
    os.close(low)
    return high


def leave_note(
    task: Optional[str],  # noqa: UP045
    rank: str,
    code: int,
    exception: Optional[str],  # noqa: UP045
) -> None:
    """Says how the program ended: who watches the rank may not be its parent and so not be told.

    Python may still fail on its way out, so the exit code that a parent sees is worth more.
    """
    if not task:
        return
    path = os.path.join(task, "exits", "rank-%s.json" % rank)  # noqa: UP031
    said = exception and exception[:LONGEST_MESSAGE]
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        text = json.dumps({"exit_code": code, "exception": said, "time": time.time()})
        # Not emptied first: there may be room in it that a full disk would not give again.
        note = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(note, os.pwrite(note, text.encode(), 0))
        finally:
            os.close(note)
        os.replace(path + ".new", path)
    except OSError:  # as of a full disk
        with suppress(OSError):
            os.unlink(path + ".new")


def write_to_log(folder: str, rank: str) -> None:
    """From here on standard output and error go to the rank's own file, whole lines at a time."""
    path = os.path.join(folder, "rank-%s.log" % rank)  # noqa: UP031
    try:
        os.makedirs(folder, exist_ok=True)
        log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError as error:
        sys.exit("rank %s cannot write its log %s: %s" % (rank, path, error.strerror))  # noqa: UP031
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    sys.stdout.reconfigure(line_buffering=True, write_through=False)  # type: ignore[union-attr]


def allow_tracing() -> None:
    """Lets any process of the same user read this one's stacks, where the kernel asks for it."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)


def become(arguments: List[str], forked: bool) -> None:  # noqa: UP006
    """Runs the program in a `__main__` of its own."""
    if not arguments or (arguments[0] == "-m" and len(arguments) == 1):
        sys.exit("usage: rank.py [-m] PROGRAM [ARGUMENT]…")
    sys.modules["__main__"] = main_module = ModuleType("__main__")
    main_module.__dict__.update(__annotations__={}, __builtins__=__builtins__)
    sys.excepthook = without_own_frames
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        set_first_path(os.getcwd(), forked)
        runpy._run_module_as_main(arguments[1])  # type: ignore[attr-defined]  # what -m itself runs
    else:
        sys.argv = arguments
        set_first_path(os.path.dirname(os.path.realpath(arguments[0])), forked)
        run_script(arguments[0], main_module)


def set_first_path(folder: str, forked: bool) -> None:
    """Puts the program's folder where python had put this file's, unless told not to (-P)."""
    if forked:
        if not os.environ.get("PYTHONSAFEPATH"):
            sys.path.insert(0, folder)
    elif not getattr(sys.flags, "safe_path", False):
        sys.path[0] = folder


def run_script(path: str, module: ModuleType) -> None:
    """As `python path`: not by runpy.run_path, which takes its `__main__` away at the end, when
    threads and exit handlers may still need it."""
    # Not abspath: python leaves "." and ".." in the name as they are.
    absolute = os.path.join(os.getcwd(), path)
    loader = SourceFileLoader("__main__", absolute)
    module.__dict__.update(__file__=absolute, __cached__=None, __loader__=loader)
    exec(compiled(absolute), module.__dict__)  # noqa: S102 - it is what the user asked for


def compiled(path: str) -> CodeType:
    """The script's code, or python's own words and exit code where it cannot be read."""
    try:
        with io.open_code(path) as script:
            return compile(script.read(), path, "exec", dont_inherit=True)
    except OSError as error:
        print(
            "%s: can't open file %r: [Errno %s] %s"  # noqa: UP031
            % (sys.executable, path, error.errno, error.strerror),
            file=sys.stderr,
        )
        sys.exit(2)


def without_own_frames(
    kind: Type[BaseException],  # noqa: UP006
    error: BaseException,
    traceback: Optional[TracebackType],  # noqa: UP045
) -> None:
    """Prints a traceback that begins in the program, as python's would."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    sys.__excepthook__(kind, error.with_traceback(traceback), traceback)


if __name__ == "__main__":
    main()
