"""How full the mounted file systems are."""

import os
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic
from typing import Final

import psutil

from ..protocol.facts import Collector, Disk

OVERDUE: Final = 5.0
"""Seconds after which a file system that has not answered counts as late."""

KINDS: Final = frozenset(
    {"bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fuseblk"}
    | {"jfs", "ntfs", "ntfs3", "overlay", "reiserfs", "vfat", "xfs", "zfs"}
)
"""File systems on disks of this host. Network ones are left out: asking one whose server is gone
may take for ever."""

BYTES_IN_MIB: Final = 1 << 20


class Mounts:
    """The file systems of this host, as they were when last looked at."""

    def __init__(self) -> None:
        self.disks: list[Disk] = []
        self._asked: tuple[float, str] | None = None

    def look(self) -> None:
        """Ask each how full it is. Does not return if one's disk has died: not for every thread."""
        found: dict[str, Disk] = {}
        for disk in _mounted():
            self._asked = monotonic(), disk.mount
            # Containers are given single files, such as /etc/hosts, as mounts of the host's disk.
            if disk.device not in found and os.path.isdir(disk.mount):
                found[disk.device] = disk
                _fill(disk)
        self._asked = None
        self.disks = list(found.values())

    def collector(self) -> Collector:
        """Late when a file system does not answer; what was known of all stays."""
        asked = self._asked
        if asked is None or monotonic() - asked[0] < OVERDUE:
            return Collector(name="disks")
        message = f"{asked[1]} does not answer: look at its disk"
        return Collector(name="disks", state="late", message=message)


def _mounted() -> Iterator[Disk]:
    """What is mounted, the shortest path first: of several mounts of a device it is shown."""
    for part in sorted(psutil.disk_partitions(all=True), key=lambda part: part.mountpoint):
        # Other overlays are the roots of containers, on a disk that is listed already.
        if part.fstype in KINDS and (part.fstype != "overlay" or part.mountpoint == "/"):
            yield Disk(mount=part.mountpoint, device=part.device, kind=part.fstype)


def _fill(disk: Disk) -> None:
    with suppress(OSError):  # a mount of another user's cannot be asked
        usage = psutil.disk_usage(disk.mount)
        disk.total, disk.used = usage.total // BYTES_IN_MIB, usage.used // BYTES_IN_MIB
