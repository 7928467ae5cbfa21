"""What a forked process does first, to become a process of its own kind."""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_NAME: Final = 15
_PR_SET_CHILD_SUBREAPER: Final = 36


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
