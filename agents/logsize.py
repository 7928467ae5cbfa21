"""Keeps what a detached agent prints from filling a disk: its log and one older are bounded."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Final

MOST: Final = 5 * 2**20
"""Bytes of a log at most, but for what is printed between two looks."""

STANDARD: Final = (1, 2)


def keep_small(log: Path, most: int = MOST) -> None:
    """Begin a new log if this process prints to one that is full, which becomes `LOG.1`.

    Nothing is lost: who still has the old one open goes on there. Where no file can be made,
    nothing changes.
    """
    new = log.with_name(f"{log.name}.new")
    with contextlib.suppress(OSError):
        status = os.fstat(sys.stderr.fileno())
        if status.st_size <= most or not os.path.samestat(status, log.stat()):
            return
        with new.open("ab") as fresh:
            log.replace(log.with_name(f"{log.name}.1"))
            new.replace(log)
            for descriptor in STANDARD:
                os.dup2(fresh.fileno(), descriptor)
