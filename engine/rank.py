"""Each rank's first steps: its log, its stacks on demand, then the program as python runs it.

    python rank.py script.py args…        python rank.py -m package.module args…

The launcher runs this file by its path, in whatever environment the program needs: it knows the
standard library only, and neither llmos nor torch. The program finds sys.argv, sys.path and
`__main__` as if python had started it, and ends with python's own tracebacks and exit codes.
"""

import ctypes
import faulthandler
import io
import os
import runpy
import signal
import sys
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from types import CodeType, ModuleType, TracebackType
from typing import List, Optional, Type  # noqa: UP035 - the program's python may be an old one

STACKS_SIGNAL = signal.SIGURG
"""Asks a rank for the stacks of its threads, which come to its log. Ignored by default, so that a
process which has not registered it, or has replaced itself, lives on. SIGUSR1 is taken by batch
systems that announce a time limit, SIGUSR2 by torch (c10's FatalSignalHandler)."""

PR_SET_PTRACER = 0x59616D61
PR_SET_PTRACER_ANY = ctypes.c_ulong(-1)
"""linux/prctl.h: lets py-spy, which is no parent of ours, attach under Yama's restriction."""


def main() -> None:
    """Prepares the process and becomes the program named in the arguments."""
    task = os.environ.get("LLMOS_TASK")
    if task:
        write_to_log(os.path.join(task, "logs"), os.environ.get("RANK", "0"))
    faulthandler.register(STACKS_SIGNAL, file=2, all_threads=True)
    allow_tracing()
    become(sys.argv[1:])


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


def become(arguments: List[str]) -> None:  # noqa: UP006
    """Runs the program in a `__main__` of its own."""
    if not arguments or (arguments[0] == "-m" and len(arguments) == 1):
        sys.exit("usage: rank.py [-m] PROGRAM [ARGUMENT]…")
    sys.modules["__main__"] = main_module = ModuleType("__main__")
    main_module.__dict__.update(__annotations__={}, __builtins__=__builtins__)
    sys.excepthook = without_own_frames
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        set_first_path(os.getcwd())
        runpy._run_module_as_main(arguments[1])  # type: ignore[attr-defined]  # what -m itself runs
    else:
        sys.argv = arguments
        set_first_path(os.path.dirname(os.path.realpath(arguments[0])))
        run_script(arguments[0], main_module)


def set_first_path(folder: str) -> None:
    """Puts the program's folder where python had put this file's, unless told not to (-P)."""
    if not getattr(sys.flags, "safe_path", False):
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
