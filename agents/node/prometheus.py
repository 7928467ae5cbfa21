"""The figures as Prometheus text, under our names or those of NVIDIA's DCGM exporter.

A figure that is absent has no line: to Prometheus an absent series is what null is to JSON.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from ..protocol.facts import GpuFacts, NodeFacts
from ..protocol.fields import GPU_FIELDS, NODE_FIELDS, Value
from ..samplers.sampler import Reading

MIB: Final = 2**20

BASE_UNITS: Final = {
    "%": ("ratio", 0.01),
    "MiB": ("bytes", MIB),
    "KiB/s": ("bytes_per_second", 1024),
    "MB/s": ("bytes_per_second", 1e6),
    "MHz": ("hertz", 1e6),
    "W": ("watts", 1),
    "°C": ("celsius", 1),
    "": ("", 1),
}
"""Prometheus wants base units, and the unit in the name."""


class DcgmName(NamedTuple):
    """What the DCGM exporter calls one of our fields, and its unit in ours."""

    name: str
    kind: str
    factor: float
    help: str


DCGM_NAMES: Final = {
    "sm_clock": DcgmName("DCGM_FI_DEV_SM_CLOCK", "gauge", 1, "SM clock frequency (in MHz)."),
    "memory_clock": DcgmName(
        "DCGM_FI_DEV_MEM_CLOCK", "gauge", 1, "Memory clock frequency (in MHz)."
    ),
    "temperature": DcgmName("DCGM_FI_DEV_GPU_TEMP", "gauge", 1, "GPU temperature (in C)."),
    "power": DcgmName("DCGM_FI_DEV_POWER_USAGE", "gauge", 1, "Power draw (in W)."),
    "utilization": DcgmName("DCGM_FI_DEV_GPU_UTIL", "gauge", 1, "GPU utilization (in %)."),
    "memory_utilization": DcgmName(
        "DCGM_FI_DEV_MEM_COPY_UTIL", "gauge", 1, "Memory utilization (in %)."
    ),
    "encoder": DcgmName("DCGM_FI_DEV_ENC_UTIL", "gauge", 1, "Encoder utilization (in %)."),
    "decoder": DcgmName("DCGM_FI_DEV_DEC_UTIL", "gauge", 1, "Decoder utilization (in %)."),
    "memory_used": DcgmName("DCGM_FI_DEV_FB_USED", "gauge", 1, "Framebuffer used (in MiB)."),
}


def exposition(facts: NodeFacts, reading: Reading, *, dcgm: bool = False) -> str:
    """Prometheus' text format, version 0.0.4."""
    lines = _dcgm(facts, reading) if dcgm else _ours(facts, reading)
    return "\n".join(lines) + "\n"


def _ours(facts: NodeFacts, reading: Reading) -> Iterator[str]:
    yield "# HELP llmos_up Whether the agent answers."
    yield "# TYPE llmos_up gauge"
    yield "llmos_up 1"
    node = {"node": facts.node, "hostname": facts.hostname}
    for field in NODE_FIELDS[1:]:
        suffix, factor = BASE_UNITS[field.unit]
        name = "_".join(filter(None, ("llmos_node", field.name, suffix)))
        yield from _family(
            name,
            "gauge",
            f"{field.title} of the node.",
            [(node, reading.node.get(field.name))],
            factor,
        )
    yield from _totals(facts, node)
    for field in GPU_FIELDS[3:]:
        suffix, factor = BASE_UNITS[field.unit]
        name = "_".join(filter(None, ("llmos_gpu", field.name, suffix)))
        series = [
            ({**node, **_gpu_labels(facts, record)}, record.get(field.name))
            for record in reading.gpus
        ]
        yield from _family(name, "gauge", f"{field.title} of the GPU.", series, factor)
    states = [
        ({**node, **_gpu_labels(facts, record)}, int(record.get("state") == 0))
        for record in reading.gpus
    ]
    yield from _family("llmos_gpu_ok", "gauge", "Whether the GPU answers as it should.", states, 1)


def _totals(facts: NodeFacts, node: Mapping[str, str]) -> Iterator[str]:
    yield from _family(
        "llmos_node_memory_bytes", "gauge", "Memory of the node.", [(node, facts.memory_total)], MIB
    )
    gpus = [
        ({**node, **_gpu_labels(facts, {"index": gpu.index})}, gpu.memory_total)
        for gpu in facts.gpus
    ]
    yield from _family("llmos_gpu_memory_bytes", "gauge", "Memory of the GPU.", gpus, MIB)


def _dcgm(facts: NodeFacts, reading: Reading) -> Iterator[str]:
    for field, dcgm in DCGM_NAMES.items():
        series = [(_dcgm_labels(facts, record), record.get(field)) for record in reading.gpus]
        yield from _family(dcgm.name, dcgm.kind, dcgm.help, series, dcgm.factor)
    totals = {gpu.index: gpu.memory_total for gpu in facts.gpus}
    free = [
        (_dcgm_labels(facts, record), _difference(totals.get(_index(record)), record))
        for record in reading.gpus
    ]
    yield from _family("DCGM_FI_DEV_FB_FREE", "gauge", "Framebuffer free (in MiB).", free, 1)


def _difference(total: int | None, record: Mapping[str, Value]) -> Value:
    used = record.get("memory_used")
    return None if total is None or used is None else total - used


def _index(record: Mapping[str, Value]) -> int:
    return int(record["index"] or 0)


def _facts_of(facts: NodeFacts, record: Mapping[str, Value]) -> GpuFacts | None:
    index = _index(record)
    return next((gpu for gpu in facts.gpus if gpu.index == index), None)


def _gpu_labels(facts: NodeFacts, record: Mapping[str, Value]) -> dict[str, str]:
    gpu = _facts_of(facts, record)
    return {
        "gpu": str(_index(record)),
        "uuid": (gpu and gpu.uuid) or "",
        "model": (gpu and gpu.name) or "",
    }


def _dcgm_labels(facts: NodeFacts, record: Mapping[str, Value]) -> dict[str, str]:
    gpu = _facts_of(facts, record)
    index = _index(record)
    return {
        "gpu": str(index),
        "UUID": (gpu and gpu.uuid) or "",
        "pci_bus_id": (gpu and gpu.pci_bus_id) or "",
        "device": f"nvidia{index}",
        "modelName": (gpu and gpu.name) or "",
        "Hostname": facts.hostname,
        "DCGM_FI_DRIVER_VERSION": facts.driver or "",
    }


def _family(
    name: str,
    kind: str,
    text: str,
    series: Iterable[tuple[Mapping[str, str], Value]],
    factor: float,
) -> Iterator[str]:
    known = [(labels, value) for labels, value in series if value is not None]
    if not known:
        return
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for labels, value in known:
        marks = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"{name}{{{marks}}} {value * factor:.10g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
