"""The host itself: processor, memory, disks, network, and how much work waits for each.

What changes every second is read from /proc directly: psutil takes four times as long, and most of
it for figures nobody asked for.
"""

import os
import platform
import re
import socket
import threading
from collections.abc import Iterable
from time import monotonic
from typing import Final

from ..protocol.facts import Collector, Detail, DiskRate, NetworkRate, NodeFacts
from ..protocol.fields import Value
from . import counters, hardware
from .mounts import Mounts
from .other_gpus import other_gpus
from .pace import Pace
from .sampler import Reading

KIB_IN_MIB: Final = 1024
BYTES_IN_KIB: Final = 1024

LOOK_INTERVAL: Final = 30.0
"""Seconds between two looks at the mounts and for new devices."""

PRESSURE_INTERVAL: Final = 1.9
"""Seconds: the kernel works the averages out anew every two."""

LEAST_SECONDS: Final = 0.05
"""Between two readings of counters: over less, rates are noise."""

LEAST_TICKS: Final = 2
"""Fewer ticks of the clock make no percentage."""

PRESSURES: Final = ("cpu", "memory", "io")
MEMORY: Final = re.compile(rb"^(MemTotal|MemAvailable|SwapTotal|SwapFree): +(\d+) kB", re.MULTILINE)
STALLED: Final = re.compile(rb"some avg10=([\d.]+)")


class HostSampler:
    """The sampler of the host."""

    name = "host"

    def __init__(self) -> None:
        self._processors = counters.Counters("/proc/stat", counters.whole_processor)
        self._disks = counters.Counters("/proc/diskstats", counters.disks)
        self._networks = counters.Counters("/proc/net/dev", counters.networks)
        self._memory = counters.ProcFile("/proc/meminfo")
        self._pressures = {
            f"pressure_{name}": counters.ProcFile(f"/proc/pressure/{name}") for name in PRESSURES
        }
        self._pressure: dict[str, Value] = {}
        self._pressure_due = 0.0
        self._mounts = Mounts()
        self._pace = Pace(LOOK_INTERVAL)
        self._disk_names = self._interface_names = frozenset[str]()
        self._speeds: dict[str, int | None] = {}
        self._other_gpus = other_gpus()
        self._count()
        threading.Thread(target=self._run, name="host", daemon=True).start()

    def sample(self, reading: Reading) -> None:
        """Add load, use and rates; rates are since the last sample, at first since the start."""
        node = reading.node
        if monotonic() - self._counted >= LEAST_SECONDS:
            self._count()
        node["cpu"] = _busy(self._processors.differences().get("cpu"))
        node["load"] = os.getloadavg()[0]
        memory = self._memory_figures()
        node["memory_used"] = _less(memory, "MemTotal", "MemAvailable")
        node["swap_used"] = _less(memory, "SwapTotal", "SwapFree")
        node.update(self._pressure_figures())
        node["disk_read"], node["disk_write"] = _sum(self._disks, self._disk_names)
        node["network_receive"], node["network_send"] = _sum(self._networks, self._interface_names)

    def facts(self, facts: NodeFacts) -> None:
        """Add what the host is."""
        memory = self._memory_figures()
        facts.hostname, facts.address = socket.gethostname(), hardware.address()
        facts.system, facts.kernel = hardware.system(), platform.release()
        facts.booted, facts.cpu = hardware.booted(), hardware.processor()
        facts.cores = os.cpu_count()
        facts.memory_total, facts.swap_total = memory.get("MemTotal"), memory.get("SwapTotal")
        facts.disks = self._mounts.disks
        facts.other_gpus = self._other_gpus

    def detail(self, detail: Detail) -> None:
        """Add each core, disk and interface, between the last two samples."""
        detail.load = list(os.getloadavg())
        detail.cores = self._cores()
        for name, (read, written) in _rates(self._disks, self._disk_names):
            detail.disks.append(DiskRate(device=name, read=read, write=written))
        for name, (received, sent) in _rates(self._networks, self._interface_names):
            speed = self._speeds.get(name)
            detail.networks.append(
                NetworkRate(interface=name, receive=received, send=sent, speed=speed)
            )

    def collectors(self) -> list[Collector]:
        """One for the host, one for its file systems."""
        return [Collector(name=self.name), self._mounts.collector()]

    def close(self) -> None:
        """Close the files and let the thread end; waits for nothing."""
        self._pace.stop()
        for counted in (self._processors, self._disks, self._networks):
            counted.close()
        for file in (self._memory, *self._pressures.values()):
            file.close()

    def _count(self) -> None:
        self._counted = monotonic()
        for counted in (self._processors, self._disks, self._networks):
            counted.read()

    def _run(self) -> None:
        """What may be slow: a link's speed waits for the network's lock, a dead disk for ever."""
        while True:
            self._disk_names = hardware.disk_names()
            self._interface_names = hardware.interface_names()
            self._speeds = {name: hardware.link_speed(name) for name in self._interface_names}
            self._mounts.look()
            if self._pace.pause(self._pace.interval):
                return

    def _memory_figures(self) -> dict[str, int]:
        """MiB, by the kernel's name."""
        found = MEMORY.findall(self._memory.read())
        return {name.decode(): int(kib) // KIB_IN_MIB for name, kib in found}

    def _pressure_figures(self) -> dict[str, Value]:
        """Percent of the last ten seconds in which something was stalled."""
        if monotonic() >= self._pressure_due:
            self._pressure_due = monotonic() + PRESSURE_INTERVAL
            for name, file in self._pressures.items():
                stalled = STALLED.match(file.read())
                self._pressure[name] = float(stalled[1]) if stalled else None
        return self._pressure

    def _cores(self) -> list[float | None]:
        grown = self._processors.differences(counters.processors)
        return [_busy(ticks) for name, ticks in grown.items() if name != "cpu"]


def _busy(ticks: list[int] | None) -> float | None:
    """Percent, of ticks at work and in all."""
    if ticks is None or ticks[1] < LEAST_TICKS:
        return None
    return 100 * ticks[0] / ticks[1]


def _less(memory: dict[str, int], total: str, free: str) -> int | None:
    return memory[total] - memory[free] if total in memory and free in memory else None


def _sum(table: counters.Counters, names: Iterable[str]) -> tuple[Value, Value]:
    """KiB/s of all the devices together; absent where there is none to read."""
    rates = [rate for _, rate in _rates(table, names)]
    if not rates:
        return None, None
    return sum(first for first, _ in rates), sum(second for _, second in rates)


def _rates(table: counters.Counters, names: Iterable[str]) -> list[tuple[str, tuple[float, float]]]:
    """KiB/s of each device in both directions."""
    grown, scale = table.differences(), table.seconds * BYTES_IN_KIB
    return [
        (name, (counts[0] / scale, counts[1] / scale))
        for name, counts in sorted(grown.items())
        if name in names
    ]
