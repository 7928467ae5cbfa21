"""What is said of a task's course, in words for people: shim and supervisor say the same."""

import signal
import sys
from typing import Final

from ...protocol.jobs import TaskOrder

RUNNING: Final = "its ranks run"


def how_it_ended(code: int | None) -> str:
    """How a process ended, by its exit code as subprocess says it."""
    if code is None:
        return "ended, its exit code is not known"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def cannot_start(order: TaskOrder, error: OSError | ValueError) -> str:
    """Why a launcher did not start."""
    if isinstance(error, ValueError):
        return f"cannot start: {error} in the program's arguments or environment"
    if isinstance(error, NotADirectoryError):
        return f"the working folder {error.filename} does not exist; name another as `folder`"
    path = order.request.program.python or sys.executable
    return f"cannot start {path}: {error.strerror}; name an interpreter that runs as `python`"


def why_no_ranks(order: TaskOrder, said: str) -> str:
    """Why a launcher ended before it started a rank, by the last line it printed."""
    if "torch" in said and ("No module named" in said or "ModuleNotFoundError" in said):
        python = order.request.program.python or sys.executable
        return f"{python} has no torch: install it there, or activate the environment that has it"
    return said or "it printed nothing"


def asked_to_stop(grace: float) -> str:
    """While the ranks of a stopped task may end by themselves."""
    return f"asked to stop; has {grace:g} s to end by itself"
