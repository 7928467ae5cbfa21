"""Small disks that can be full, for tests that are root."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def small_disk(mount: Path, *, full: bool = False) -> Iterator[Path]:
    """A disk of a few MiB for as long as a test takes; skips where none can be mounted."""
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "llmos-test", str(mount)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk takes root")
    try:
        if full:
            fill(mount)
        yield mount
    finally:
        subprocess.run(["umount", "--lazy", str(mount)], check=True)


def fill(disk: Path) -> None:
    """Leave no byte free."""
    with (disk / "filling").open("wb", buffering=0) as filling:
        for size in (65536, 4096, 1):
            try:
                while True:
                    filling.write(bytes(size))
            except OSError:
                continue
