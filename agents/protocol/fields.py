"""The fields of a sample, declared once.

From these two tables come the agent's `struct` layout, the reader's numpy dtype, the JSON keys, the
Prometheus names and the console's columns. A HELLO frame carries them, so a reader builds its dtype
from what the sender says and a new field is no break of the protocol.

A record is little-endian and unpadded. Every field has one value that means "absent": what could
not be measured is never sent as zero.
"""

from collections.abc import Iterable, Mapping
from math import isfinite
from struct import Struct
from typing import Final

import msgspec

Value = float | int | None


class Field(msgspec.Struct, frozen=True, array_like=True):
    """One column of a sample record."""

    name: str
    """The key in JSON, the column in the store."""

    code: str
    """The `struct` code: B, H or I (unsigned, 1, 2 and 4 bytes)."""

    scale: float
    """The value of one count on the wire, in `unit`."""

    unit: str
    """The unit of the scaled value; empty for a number without one."""

    title: str
    """What a person calls it."""

    @property
    def absent(self) -> int:
        """The count that means "not known": all bits set."""
        return ABSENT[self.code]


ABSENT: Final = {"B": 0xFF, "H": 0xFFFF, "I": 0xFFFF_FFFF}
SIZE: Final = {"B": 1, "H": 2, "I": 4}

NODE_FIELDS: Final = (
    Field("slot", "H", 1, "", "Slot"),
    Field("cpu", "B", 0.5, "%", "CPU"),
    Field("pressure_cpu", "B", 0.5, "%", "CPU pressure"),
    Field("pressure_memory", "B", 0.5, "%", "Memory pressure"),
    Field("pressure_io", "B", 0.5, "%", "I/O pressure"),
    Field("load", "H", 0.01, "", "Load"),
    Field("memory_used", "I", 1, "MiB", "Memory"),
    Field("swap_used", "I", 1, "MiB", "Swap"),
    Field("disk_read", "I", 1, "KiB/s", "Disk read"),
    Field("disk_write", "I", 1, "KiB/s", "Disk write"),
    Field("network_receive", "I", 1, "KiB/s", "Network in"),
    Field("network_send", "I", 1, "KiB/s", "Network out"),
)

GPU_FIELDS: Final = (
    Field("slot", "H", 1, "", "Slot"),
    Field("index", "B", 1, "", "GPU"),
    Field("state", "B", 1, "", "State"),
    Field("utilization", "B", 1, "%", "Utilization"),
    Field("memory_utilization", "B", 1, "%", "Memory bandwidth"),
    Field("encoder", "B", 1, "%", "Encoder"),
    Field("decoder", "B", 1, "%", "Decoder"),
    Field("temperature", "B", 1, "°C", "Temperature"),
    Field("fan", "B", 1, "%", "Fan"),
    Field("performance_state", "B", 1, "", "Performance state"),
    Field("throttle", "B", 1, "", "Throttle reasons"),
    Field("memory_used", "I", 1, "MiB", "Memory"),
    Field("power", "H", 0.1, "W", "Power"),
    Field("sm_clock", "H", 1, "MHz", "SM clock"),
    Field("memory_clock", "H", 1, "MHz", "Memory clock"),
    Field("pcie_send", "H", 1, "MB/s", "PCIe out"),
    Field("pcie_receive", "H", 1, "MB/s", "PCIe in"),
)

GPU_STATES: Final = ("ok", "lost", "hung", "slow", "failed")
"""`state` of a GPU record: its position here. "slow" still reports, later than it should; "failed"
answers with errors other than loss; a lost or hung GPU sends no figures."""

THROTTLE_REASONS: Final = (
    "application clocks",
    "power cap",
    "hardware slowdown",
    "sync boost",
    "software thermal",
    "hardware thermal",
    "power brake",
    "display clocks",
)
"""`throttle` is a bit set over these: NVML's clocks event reasons shifted right by one, since the
lowest of NVML's bits says "idle", which is no throttling."""


class Record:
    """The layout of one kind of record: packs a mapping of values, unpacks into one."""

    def __init__(self, fields: Iterable[Field]) -> None:
        self.fields = tuple(fields)
        self.struct = Struct("<" + "".join(field.code for field in self.fields))
        self.size = self.struct.size
        self._packing = tuple((field.name, field.scale, field.absent) for field in self.fields)

    def pack(self, values: Mapping[str, Value]) -> bytes:
        """One record: None or missing is sent as absent, a value past the range as the largest."""
        get = values.get
        return self.struct.pack(
            *[
                _count(value, scale, absent) if (value := get(name)) is not None else absent
                for name, scale, absent in self._packing
            ]
        )

    def unpack(self, record: bytes | memoryview) -> dict[str, Value]:
        """The values of one record, None where absent."""
        counts = self.struct.unpack(record)
        return {
            field.name: _value(field, count)
            for field, count in zip(self.fields, counts, strict=True)
        }


def _count(value: float, scale: float, absent: int) -> int:
    if not isfinite(value):
        return absent
    return round(min(max(value / scale, 0), absent - 1))


def _value(field: Field, count: int) -> Value:
    if count == field.absent:
        return None
    return count if field.scale == 1 else round(count * field.scale, 6)


NODE_RECORD: Final = Record(NODE_FIELDS)
GPU_RECORD: Final = Record(GPU_FIELDS)


def throttle_reasons(bits: int | None) -> list[str] | None:
    """The names of the set bits; None where the driver does not say."""
    if bits is None:
        return None
    return [name for bit, name in enumerate(THROTTLE_REASONS) if bits >> bit & 1]
