"""Settings of this host that a doctor asks about, read from the kernel and systemd's files."""

import ctypes
import getpass
import os
import re
from pathlib import Path
from typing import Final

TIMESYNC: Final = Path("/run/systemd/timesync/synchronized")
STA_UNSYNC: Final = 0x40
"""adjtimex(2): the clock is not synchronised."""

LOGIND: Final = Path("/run/systemd/seats")
LOGIND_FILES: Final = ("/usr/lib/systemd", "/run/systemd", "/etc/systemd")
"""Later ones override earlier ones."""

SETTING: Final = re.compile(r"^[ \t]*(#?)[ \t]*(\w+)[ \t]*=[ \t]*(\S+)", re.MULTILINE)
TRUE: Final = frozenset({"yes", "true", "1", "on"})

LAST_SYSTEM_USER: Final = 999
"""systemd's SYSTEM_UID_MAX as distributions build it; logind clears up after users above it."""

UNLIMITED: Final = 2**60
"""Bytes; version 1 says so by a number near the largest."""


class Timex(ctypes.Structure):
    """The beginning of `struct timex`, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("maximum_error", ctypes.c_long),
        ("estimated_error", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def clock_synchronised() -> bool | None:
    """Whether the kernel's clock is kept right; None where nobody says."""
    if TIMESYNC.exists():
        return True
    try:
        call = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    timex = Timex(modes=0)
    if call(ctypes.byref(timex)) < 0:
        return None
    return not timex.status & STA_UNSYNC


def kills_user_processes() -> bool | None:
    """Whether logind ends a user's processes at logout; None without logind."""
    if not LOGIND.exists():
        return None
    return _logind("KillUserProcesses")[0] in TRUE


def removes_shared_memory() -> bool | None:
    """Whether logind removes a user's files from /dev/shm at logout; None without logind.

    It does unless told otherwise, or built otherwise, which its commented file then says
    (logind.conf(5)).
    """
    if not LOGIND.exists():
        return None
    said, built = _logind("RemoveIPC")
    return (said or built or "yes") in TRUE


def _logind(name: str) -> tuple[str, str]:
    """What logind's files say of a setting, and what they show as its default; "" for neither."""
    said = built = ""
    for folder in map(Path, LOGIND_FILES):
        for file in (folder / "logind.conf", *sorted((folder / "logind.conf.d").glob("*.conf"))):
            text = file.read_text(errors="replace") if file.is_file() else ""
            for comment, found, value in SETTING.findall(text):
                if found == name and comment:
                    built = value.lower()
                elif found == name:
                    said = value.lower()
    return said, built


def is_system_user() -> bool:
    """Whether logind takes this process's user for one that never logs in."""
    return os.getuid() <= LAST_SYSTEM_USER


def lingers() -> bool:
    """Whether this user's services go on after logout."""
    return (Path("/var/lib/systemd/linger") / getpass.getuser()).exists()


def memory_limit() -> int | None:
    """Bytes: the lowest limit on this process's way up the control groups; None without one."""
    limits = [limit for folder in _groups() if (limit := _limit(folder)) is not None]
    return min(limits, default=None)


def _groups() -> list[Path]:
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            root = Path("/sys/fs/cgroup") / controllers
            group = root / path.lstrip("/")
            found += [group, *(above for above in group.parents if above.is_relative_to(root))]
    return found


def _limit(folder: Path) -> int | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            text = (folder / name).read_text().strip()
        except OSError:
            continue
        if text.isdecimal() and int(text) < UNLIMITED:
            return int(text)
    return None
