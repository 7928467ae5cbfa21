"""The figures as Prometheus text, under our names or those of NVIDIA's DCGM exporter.

A figure that is absent has no line: to Prometheus an absent series is what null is to JSON.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from ..protocol.facts import GpuFacts, NodeFacts
from ..protocol.fields import GPU_FIELDS, GPU_STATES, NODE_FIELDS, Field, Value
from ..samplers.sampler import Reading

Figures = Mapping[str, Value]

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


class DcgmFamily(NamedTuple):
    """One metric of the DCGM exporter, and where its value stands with us."""

    name: str
    kind: str
    help: str
    read: Callable[[GpuFacts, Figures], Value]


def _figure(name: str, field: str, text: str, factor: float = 1) -> DcgmFamily:
    """A gauge that is a field of the sample times a factor."""

    def read(gpu: GpuFacts, figures: Figures) -> Value:
        value = figures.get(field)
        return None if value is None else value * factor

    return DcgmFamily(name, "gauge", text, read)


def _free(gpu: GpuFacts, figures: Figures) -> Value:
    """With what the driver keeps for itself, which DCGM leaves out."""
    used = figures.get("memory_used")
    return None if gpu.memory_total is None or used is None else gpu.memory_total - used


def _rows(name: str) -> Callable[[GpuFacts, Figures], Value]:
    return lambda gpu, figures: getattr(gpu.remapped_rows, name, None)


DCGM_FAMILIES: Final = (
    _figure("DCGM_FI_DEV_SM_CLOCK", "sm_clock", "SM clock frequency (in MHz)."),
    _figure("DCGM_FI_DEV_MEM_CLOCK", "memory_clock", "Memory clock frequency (in MHz)."),
    _figure("DCGM_FI_DEV_GPU_TEMP", "temperature", "GPU temperature (in C)."),
    _figure("DCGM_FI_DEV_POWER_USAGE", "power", "Power draw (in W)."),
    DcgmFamily(
        "DCGM_FI_DEV_PCIE_REPLAY_COUNTER",
        "counter",
        "PCIe packets sent again.",
        lambda gpu, figures: gpu.pcie_replays,
    ),
    _figure("DCGM_FI_DEV_GPU_UTIL", "utilization", "GPU utilization (in %)."),
    _figure("DCGM_FI_DEV_MEM_COPY_UTIL", "memory_utilization", "Memory utilization (in %)."),
    _figure("DCGM_FI_DEV_ENC_UTIL", "encoder", "Encoder utilization (in %)."),
    _figure("DCGM_FI_DEV_DEC_UTIL", "decoder", "Decoder utilization (in %)."),
    DcgmFamily("DCGM_FI_DEV_FB_FREE", "gauge", "Framebuffer free (in MiB).", _free),
    _figure("DCGM_FI_DEV_FB_USED", "memory_used", "Framebuffer used (in MiB)."),
    DcgmFamily(
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
        "counter",
        "Rows remapped for uncorrectable errors.",
        _rows("uncorrected"),
    ),
    DcgmFamily(
        "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
        "counter",
        "Rows remapped for correctable errors.",
        _rows("corrected"),
    ),
    DcgmFamily(
        "DCGM_FI_DEV_ROW_REMAP_FAILURE",
        "gauge",
        "Whether a row could not be remapped.",
        _rows("failed"),
    ),
    _figure("DCGM_FI_PROF_PCIE_TX_BYTES", "pcie_send", "PCIe bytes sent, per second.", 1e6),
    _figure("DCGM_FI_PROF_PCIE_RX_BYTES", "pcie_receive", "PCIe bytes received, per second.", 1e6),
)
"""With the names, kinds and units of etc/default-counters.csv and etc/dcp-metrics-included.csv in
NVIDIA/dcgm-exporter, as far as NVML gives the figures."""


def exposition(facts: NodeFacts, reading: Reading, *, dcgm: bool = False) -> str:
    """Prometheus' text format, version 0.0.4."""
    lines = _dcgm(facts, reading) if dcgm else _ours(facts, reading)
    return "\n".join(lines) + "\n"


def _ours(facts: NodeFacts, reading: Reading) -> Iterator[str]:
    yield from _family("llmos_up", "gauge", "Whether the agent answers.", [({}, 1)])
    node = {"node": facts.node, "hostname": facts.hostname}
    for field in NODE_FIELDS[1:]:
        name, factor = _named("llmos_node", field)
        value = reading.node.get(field.name)
        yield from _family(name, "gauge", f"{field.title} of the node.", [(node, value)], factor)
    yield from _family(
        "llmos_node_memory_bytes", "gauge", "Memory of the node.", [(node, facts.memory_total)], MIB
    )
    gpus = _gpus(facts, reading)
    labels = [node | _labels(gpu) for gpu, _ in gpus]
    totals = zip(labels, (gpu.memory_total for gpu, _ in gpus), strict=True)
    yield from _family("llmos_gpu_memory_bytes", "gauge", "Memory of the GPU.", totals, MIB)
    for field in GPU_FIELDS[3:]:
        name, factor = _named("llmos_gpu", field)
        values = zip(labels, (figures.get(field.name) for _, figures in gpus), strict=True)
        yield from _family(name, "gauge", f"{field.title} of the GPU.", values, factor)
    well = zip(labels, (_is_well(figures) for _, figures in gpus), strict=True)
    yield from _family("llmos_gpu_ok", "gauge", "Whether the GPU answers as it should.", well)


def _dcgm(facts: NodeFacts, reading: Reading) -> Iterator[str]:
    gpus = _gpus(facts, reading)
    labels = [_dcgm_labels(facts, gpu) for gpu, _ in gpus]
    for name, kind, text, read in DCGM_FAMILIES:
        values = zip(labels, (read(gpu, figures) for gpu, figures in gpus), strict=True)
        yield from _family(name, kind, text, values)


def _gpus(facts: NodeFacts, reading: Reading) -> list[tuple[GpuFacts, Figures]]:
    """Each row: what it is, and its figures. Facts may follow their first figures."""
    known = {gpu.index: gpu for gpu in facts.gpus}
    rows = ((int(figures["index"] or 0), figures) for figures in reading.gpus)
    return [(known.get(index) or GpuFacts(index=index), figures) for index, figures in rows]


def _named(prefix: str, field: Field) -> tuple[str, float]:
    suffix, factor = BASE_UNITS[field.unit]
    return "_".join(filter(None, (prefix, field.name, suffix))), factor


def _is_well(figures: Figures) -> Value:
    state = figures.get("state")
    return None if state is None else int(state == GPU_STATES.index("ok"))


def _labels(gpu: GpuFacts) -> dict[str, str]:
    return {"gpu": str(gpu.index), "uuid": gpu.uuid or "", "model": gpu.name or ""}


def _dcgm_labels(facts: NodeFacts, gpu: GpuFacts) -> dict[str, str]:
    """A MIG instance bears its GPU's labels, its profile and, lacking DCGM's number, its UUID."""
    whole = next((each for each in facts.gpus if each.index == gpu.parent), gpu)
    profile = {} if gpu.profile is None else {"GPU_I_PROFILE": gpu.profile}
    return {
        "gpu": str(whole.index),
        "UUID": gpu.uuid or "",
        "pci_bus_id": whole.pci_bus_id or "",
        "device": f"nvidia{whole.index}",
        "modelName": whole.name or "",
        **profile,
        "Hostname": facts.hostname,
        "DCGM_FI_DRIVER_VERSION": facts.driver or "",
    }


def _family(
    name: str,
    kind: str,
    text: str,
    series: Iterable[tuple[Mapping[str, str], Value]],
    factor: float = 1,
) -> Iterator[str]:
    known = [(labels, value) for labels, value in series if value is not None]
    if not known:
        return
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for labels, value in known:
        marks = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"{name}{'{' + marks + '}' if marks else ''} {value * factor:.15g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
