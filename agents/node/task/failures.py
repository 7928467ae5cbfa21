"""What attempts fail of, by name: one table of how each shows, what helps, and whether another
attempt may."""

import re
import signal
from typing import Final

import msgspec


class Cause(msgspec.Struct, frozen=True):
    """A kind of failure."""

    name: str
    advice: str
    """What a person should do, in one line."""

    helps: bool
    """Whether another attempt may succeed where this one failed."""

    shows: re.Pattern[str] | None = None
    """In the exception, or in the last lines that the rank printed."""


def _says(*phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(phrases), re.IGNORECASE)


CAUSES: Final = (
    Cause(
        "GPU fault",
        "drain the node and look at the GPU's events: `llmos` shows its XIDs",
        True,
        _says(r"uncorrectable ECC", r"device-side.*hardware", r"GPU has fallen off the bus"),
    ),
    Cause(
        "out of GPU memory",
        "use smaller batches, more GPUs, or gradient checkpointing",
        False,
        _says(r"CUDA out of memory", r"OutOfMemoryError", r"CUBLAS_STATUS_ALLOC_FAILED"),
    ),
    Cause(
        "out of memory",
        "use fewer data workers or smaller batches, or a host with more memory",
        False,
        _says(r"\bMemoryError\b", r"Cannot allocate memory", r"can't allocate memory"),
    ),
    Cause(
        "disk full",
        "free space where the job writes, then restart it",
        False,
        _says(r"No space left on device", r"Errno 28\b", r"Disk quota exceeded"),
    ),
    Cause(
        "import error",
        "install the package in the job's environment, or choose another with [environment]",
        False,
        _says(r"\bModuleNotFoundError\b", r"\bImportError\b", r"No module named"),
    ),
    Cause(
        "NaN",
        "lower the learning rate or look at the data of the last steps",
        False,
        _says(
            r"\bFloatingPointError\b",
            r"loss (is|was|became) (nan|inf)",
            r"\b(nan|non-?finite)\b.*\b(loss|gradients?|values?)\b",
            r"\b(loss|gradients?|values?)\b.*\b(nan|non-?finite)\b",
        ),
    ),
    Cause(
        "port in use",
        "another attempt takes another port",
        True,
        _says(r"Address already in use", r"EADDRINUSE", r"Errno 98\b"),
    ),
    Cause(
        "syntax error",
        "correct the program",
        False,
        _says(r"\b(Syntax|Indentation|Tab)Error\b"),
    ),
    Cause(
        "no such file",
        "correct the path, or put the file where the job looks for it",
        False,
        _says(r"\bFileNotFoundError\b", r"can't open file", r"Errno 2\b"),
    ),
    Cause(
        "lost connection",
        "look at the other ranks' logs: one of them ended first",
        True,
        _says(
            r"Connection (reset|refused|closed) by (peer|remote)", r"Broken pipe", r"Timed? ?out"
        ),
    ),
)
"""Looked through in this order: the first that shows is the failure's name."""

KILLED: Final = Cause("killed", "somebody or the kernel killed it; look at the kernel log", True)
CRASHED: Final = Cause("crashed", "`llmos logs` shows the stacks at the crash", True)
OTHER: Final = Cause("error", "`llmos logs` shows what it printed", True)
NOT_STARTED: Final = Cause("not started", "correct what the cause names", False)
OURS: Final = Cause("llmos", "a process of llmos was lost; the attempt is not counted", True)

_BY_NAME: Final = {
    cause.name: cause for cause in (*CAUSES, KILLED, CRASHED, OTHER, NOT_STARTED, OURS)
}

_CRASHES: Final = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
)


def named(name: str) -> Cause:
    """The cause of that name; that of any other error for a name that is not known."""
    return _BY_NAME.get(name, OTHER)


def name_of(exit_code: int | None, exception: str | None, lines: list[str]) -> str:
    """What a rank failed of: by its exception first, then by its last lines, then by its signal."""
    for said in (exception, "\n".join(lines)):
        if said:
            for cause in CAUSES:
                if cause.shows is not None and cause.shows.search(said):
                    return cause.name
    if exit_code is not None and exit_code < 0:
        return CRASHED.name if -exit_code in _CRASHES else KILLED.name
    return OTHER.name
