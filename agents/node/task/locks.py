"""Locks on files (`flock`) that say whether somebody lives, and that anyone may look at.

A lock belongs to the opened file: it lives as long as a process that inherited the descriptor.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import Final

TRIES: Final = 20
PAUSE: Final = 0.001
"""Seconds between tries, for the moment in which somebody only looks who has it."""


def lock_alone(descriptor: int) -> bool:
    """Take a lock that nobody else has; False where somebody has it, other than to look."""
    for _ in range(TRIES):
        if lock(descriptor, fcntl.LOCK_EX):
            return True
        if not lock(descriptor, fcntl.LOCK_SH):
            return False
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        time.sleep(PAUSE)
    return False


def lock(descriptor: int, kind: int) -> bool:
    """Take a lock of a kind without waiting; False where another is in its way."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_free(descriptor: int) -> bool:
    """Whether nobody has the lock alone."""
    if not lock(descriptor, fcntl.LOCK_SH):
        return False
    # Not left to closing: what is forked at this moment has the descriptor too.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def is_locked(path: Path) -> bool:
    """Whether somebody has a file locked alone; not where there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not is_free(descriptor)
    finally:
        os.close(descriptor)
