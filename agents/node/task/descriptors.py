"""The open descriptors of this process: which to keep where a forked process goes its own way."""

import contextlib
import os
from collections.abc import Collection
from pathlib import Path

STANDARD = (0, 1, 2)


def below(folder: Path) -> list[int]:
    """The descriptors of files in a folder, as leases that were inherited."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if Path(os.readlink(f"/proc/self/fd/{name}")).parent == folder:
                found.append(int(name))
    return sorted(found)


def close_all_but(kept: Collection[int]) -> None:
    """Close every descriptor but the standard ones and those that are kept.

    A lock that a forked process holds on to would outlive its owner.
    """
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        if descriptor not in STANDARD and descriptor not in kept:
            with contextlib.suppress(OSError):
                os.close(descriptor)
