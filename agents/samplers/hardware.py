"""What a host is, apart from its GPUs: what does not change while it runs, and which devices count.

Devices that only pass on what others move (partitions, RAID, bonds, bridges, containers' ends) are
left out, so that nothing is counted twice.
"""

import os
import platform
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

import psutil

BLOCK_DEVICES: Final = Path("/sys/block")
INTERFACES: Final = Path("/sys/class/net")
LOOPBACK: Final = "lo"

OUTSIDE: Final = ("192.0.2.1", 9)
"""An address of RFC 5737 that belongs to nobody: only the route to it is looked up."""


@cache
def system() -> str | None:
    """The distribution, as "Debian GNU/Linux 12 (bookworm)"."""
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return None
    return f"{name} on WSL2" if "microsoft" in platform.release().lower() else name


@cache
def processor() -> str | None:
    """The processor's model, as the kernel names it; its architecture where it names none."""
    with suppress(OSError), open("/proc/cpuinfo") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return " ".join(value.split())
    return platform.machine() or None


@cache
def booted() -> float:
    """When the host started, in seconds since 1970."""
    return psutil.boot_time()


def address() -> str | None:
    """The address from which this host reaches others; None where it has none but loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(OUTSIDE)  # sends nothing
            return str(probe.getsockname()[0])
        except OSError:
            return _any_address()


def _any_address() -> str | None:
    for name, addresses in psutil.net_if_addrs().items():
        for each in addresses:
            if name != LOOPBACK and each.family in (socket.AF_INET, socket.AF_INET6):
                return each.address.partition("%")[0]
    return None


def disk_names() -> frozenset[str]:
    """The disks: block devices with hardware of their own."""
    return frozenset(_with_hardware(BLOCK_DEVICES))


def interface_names() -> frozenset[str]:
    """The network interfaces with hardware of their own; without any, all but loopback."""
    names = _with_hardware(INTERFACES)
    if not names:
        with suppress(OSError):
            names = os.listdir(INTERFACES)
    return frozenset(names) - {LOOPBACK}


def link_speed(interface: str) -> int | None:
    """Mbit/s; None where the driver does not say, or the link is down."""
    try:
        speed = int((INTERFACES / interface / "speed").read_text())
    except (OSError, ValueError):
        return None
    return speed if speed > 0 else None


def _with_hardware(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if (folder / name / "device").exists()]
    except OSError:
        return []
