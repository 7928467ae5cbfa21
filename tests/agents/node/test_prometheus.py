"""/metrics, as text that Prometheus reads."""

import re
from typing import NamedTuple

import pytest

from llmos.agents.node.prometheus import exposition
from llmos.agents.protocol.facts import GpuFacts, NodeFacts, RemappedRows
from llmos.agents.protocol.fields import GPU_FIELDS, NODE_FIELDS
from llmos.agents.samplers.sampler import Reading

FACTS = NodeFacts(
    slot=0,
    node="abc123",
    hostname="gpu-01",
    memory_total=1024,
    driver="580.65.06",
    gpus=[
        GpuFacts(
            index=0,
            name="NVIDIA H100 80GB HBM3",
            uuid="GPU-1",
            pci_bus_id="00000000:19:00.0",
            memory_total=81559,
            pcie_replays=3,
            remapped_rows=RemappedRows(corrected=1, uncorrected=0, failed=False),
        ),
        GpuFacts(index=1, name='odd "name" \\ \n here', uuid="GPU-2"),
        GpuFacts(index=2, name="MIG", uuid="MIG-1", memory_total=9000, parent=0, profile="1g.10gb"),
    ],
)
READING = Reading(
    node={"slot": 0, "cpu": 12.5, "load": 1.5, "memory_used": 512, "disk_read": 3},
    gpus=[
        {"slot": 0, "index": 0, "state": 0, "utilization": 97, "memory_used": 71201}
        | {"power": 640.3, "sm_clock": 1803, "pcie_send": 931, "temperature": 67, "throttle": 0},
        {"slot": 0, "index": 1, "state": 1},
        {"slot": 0, "index": 2, "state": 0, "memory_used": 496},
    ],
)
NOTHING = NodeFacts(slot=0, node="abc123", hostname="gpu-01")

GPU_0 = 'node="abc123",hostname="gpu-01",gpu="0",uuid="GPU-1",model="NVIDIA H100 80GB HBM3"'
GPU_1 = r'node="abc123",hostname="gpu-01",gpu="1",uuid="GPU-2",model="odd \"name\" \\ \n here"'
GPU_2 = 'node="abc123",hostname="gpu-01",gpu="2",uuid="MIG-1",model="MIG"'
OURS = f"""\
# HELP llmos_up Whether the agent answers.
# TYPE llmos_up gauge
llmos_up 1
# HELP llmos_node_cpu_ratio CPU of the node.
# TYPE llmos_node_cpu_ratio gauge
llmos_node_cpu_ratio{{node="abc123",hostname="gpu-01"}} 0.125
# HELP llmos_node_load Load of the node.
# TYPE llmos_node_load gauge
llmos_node_load{{node="abc123",hostname="gpu-01"}} 1.5
# HELP llmos_node_memory_used_bytes Memory of the node.
# TYPE llmos_node_memory_used_bytes gauge
llmos_node_memory_used_bytes{{node="abc123",hostname="gpu-01"}} 536870912
# HELP llmos_node_disk_read_bytes_per_second Disk read of the node.
# TYPE llmos_node_disk_read_bytes_per_second gauge
llmos_node_disk_read_bytes_per_second{{node="abc123",hostname="gpu-01"}} 3072
# HELP llmos_node_memory_bytes Memory of the node.
# TYPE llmos_node_memory_bytes gauge
llmos_node_memory_bytes{{node="abc123",hostname="gpu-01"}} 1073741824
# HELP llmos_gpu_memory_bytes Memory of the GPU.
# TYPE llmos_gpu_memory_bytes gauge
llmos_gpu_memory_bytes{{{GPU_0}}} 85520809984
llmos_gpu_memory_bytes{{{GPU_2}}} 9437184000
# HELP llmos_gpu_utilization_ratio Utilization of the GPU.
# TYPE llmos_gpu_utilization_ratio gauge
llmos_gpu_utilization_ratio{{{GPU_0}}} 0.97
# HELP llmos_gpu_temperature_celsius Temperature of the GPU.
# TYPE llmos_gpu_temperature_celsius gauge
llmos_gpu_temperature_celsius{{{GPU_0}}} 67
# HELP llmos_gpu_throttle Throttle reasons of the GPU.
# TYPE llmos_gpu_throttle gauge
llmos_gpu_throttle{{{GPU_0}}} 0
# HELP llmos_gpu_memory_used_bytes Memory of the GPU.
# TYPE llmos_gpu_memory_used_bytes gauge
llmos_gpu_memory_used_bytes{{{GPU_0}}} 74659659776
llmos_gpu_memory_used_bytes{{{GPU_2}}} 520093696
# HELP llmos_gpu_power_watts Power of the GPU.
# TYPE llmos_gpu_power_watts gauge
llmos_gpu_power_watts{{{GPU_0}}} 640.3
# HELP llmos_gpu_sm_clock_hertz SM clock of the GPU.
# TYPE llmos_gpu_sm_clock_hertz gauge
llmos_gpu_sm_clock_hertz{{{GPU_0}}} 1803000000
# HELP llmos_gpu_pcie_send_bytes_per_second PCIe out of the GPU.
# TYPE llmos_gpu_pcie_send_bytes_per_second gauge
llmos_gpu_pcie_send_bytes_per_second{{{GPU_0}}} 931000000
# HELP llmos_gpu_ok Whether the GPU answers as it should.
# TYPE llmos_gpu_ok gauge
llmos_gpu_ok{{{GPU_0}}} 1
llmos_gpu_ok{{{GPU_1}}} 0
llmos_gpu_ok{{{GPU_2}}} 1
"""

HOST = 'Hostname="gpu-01",DCGM_FI_DRIVER_VERSION="580.65.06"'
DCGM_0 = (
    'gpu="0",UUID="GPU-1",pci_bus_id="00000000:19:00.0",device="nvidia0",'
    f'modelName="NVIDIA H100 80GB HBM3",{HOST}'
)
DCGM_2 = DCGM_0.replace("GPU-1", "MIG-1").replace("Host", 'GPU_I_PROFILE="1g.10gb",Host')
DCGM = f"""\
# HELP DCGM_FI_DEV_SM_CLOCK SM clock frequency (in MHz).
# TYPE DCGM_FI_DEV_SM_CLOCK gauge
DCGM_FI_DEV_SM_CLOCK{{{DCGM_0}}} 1803
# HELP DCGM_FI_DEV_GPU_TEMP GPU temperature (in C).
# TYPE DCGM_FI_DEV_GPU_TEMP gauge
DCGM_FI_DEV_GPU_TEMP{{{DCGM_0}}} 67
# HELP DCGM_FI_DEV_POWER_USAGE Power draw (in W).
# TYPE DCGM_FI_DEV_POWER_USAGE gauge
DCGM_FI_DEV_POWER_USAGE{{{DCGM_0}}} 640.3
# HELP DCGM_FI_DEV_PCIE_REPLAY_COUNTER PCIe packets sent again.
# TYPE DCGM_FI_DEV_PCIE_REPLAY_COUNTER counter
DCGM_FI_DEV_PCIE_REPLAY_COUNTER{{{DCGM_0}}} 3
# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).
# TYPE DCGM_FI_DEV_GPU_UTIL gauge
DCGM_FI_DEV_GPU_UTIL{{{DCGM_0}}} 97
# HELP DCGM_FI_DEV_FB_FREE Framebuffer free (in MiB).
# TYPE DCGM_FI_DEV_FB_FREE gauge
DCGM_FI_DEV_FB_FREE{{{DCGM_0}}} 10358
DCGM_FI_DEV_FB_FREE{{{DCGM_2}}} 8504
# HELP DCGM_FI_DEV_FB_USED Framebuffer used (in MiB).
# TYPE DCGM_FI_DEV_FB_USED gauge
DCGM_FI_DEV_FB_USED{{{DCGM_0}}} 71201
DCGM_FI_DEV_FB_USED{{{DCGM_2}}} 496
# HELP DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS Rows remapped for uncorrectable errors.
# TYPE DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS counter
DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS{{{DCGM_0}}} 0
# HELP DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS Rows remapped for correctable errors.
# TYPE DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS counter
DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS{{{DCGM_0}}} 1
# HELP DCGM_FI_DEV_ROW_REMAP_FAILURE Whether a row could not be remapped.
# TYPE DCGM_FI_DEV_ROW_REMAP_FAILURE gauge
DCGM_FI_DEV_ROW_REMAP_FAILURE{{{DCGM_0}}} 0
# HELP DCGM_FI_PROF_PCIE_TX_BYTES PCIe bytes sent, per second.
# TYPE DCGM_FI_PROF_PCIE_TX_BYTES gauge
DCGM_FI_PROF_PCIE_TX_BYTES{{{DCGM_0}}} 931000000
"""


class Series(NamedTuple):
    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')


def parsed(text: str) -> list[Series]:
    """The series of an exposition; fails where Prometheus would."""
    assert text.endswith("\n")
    series: list[Series] = []
    described: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert kind in ("gauge", "counter")
            assert name not in described, "a family stands in one piece"
            described[name] = kind
        elif line and not line.startswith("# HELP "):
            match = LINE.fullmatch(line)
            assert match, line
            name, labels, value = match.groups()
            assert name == list(described)[-1], "a series follows the type of its family"
            assert LABEL.sub("", labels or "") == "", labels
            pairs = tuple(LABEL.findall(labels or ""))
            assert len(dict(pairs)) == len(pairs), "a label stands once"
            series.append(Series(name, pairs, float(value)))
    assert len({(each.name, each.labels) for each in series}) == len(series), "no series twice"
    return series


@pytest.mark.parametrize(("dcgm", "golden"), [(False, OURS), (True, DCGM)], ids=["ours", "dcgm"])
def test_the_text_is_what_it_was(dcgm: bool, golden: str):
    assert exposition(FACTS, READING, dcgm=dcgm) == golden


@pytest.mark.parametrize("dcgm", [False, True])
def test_it_is_prometheus_text_also_with_every_figure(dcgm: bool):
    full = Reading(node={field.name: 7 for field in NODE_FIELDS})
    for index in range(3):
        full.gpus.append({field.name: 7 for field in GPU_FIELDS})
        full.gpus[-1]["index"] = index
    counts = [len(parsed(exposition(FACTS, reading, dcgm=dcgm))) for reading in (READING, full)]
    assert counts[0] < counts[1]


def test_our_names_bear_their_base_units():
    full = Reading(node={field.name: 7 for field in NODE_FIELDS}, gpus=[])
    names = {series.name for series in parsed(exposition(NOTHING, full))}
    assert {"llmos_node_pressure_io_ratio", "llmos_node_network_send_bytes_per_second"} <= names


def test_dcgm_labels_are_those_of_its_exporter():
    expected = ["gpu", "UUID", "pci_bus_id", "device", "modelName"]
    expected += ["Hostname", "DCGM_FI_DRIVER_VERSION"]
    series = parsed(exposition(FACTS, READING, dcgm=True))
    assert [name for name, _ in series[0].labels] == expected
    mig = next(dict(each.labels) for each in series if "MIG-1" in dict(each.labels).values())
    assert (mig["gpu"], mig["device"], mig["GPU_I_PROFILE"]) == ("0", "nvidia0", "1g.10gb")


@pytest.mark.parametrize("dcgm", [False, True])
def test_a_node_that_knows_nothing_yet(dcgm: bool):
    assert len(parsed(exposition(NOTHING, Reading(), dcgm=dcgm))) == (not dcgm)


def test_figures_that_come_before_their_facts():
    series = parsed(exposition(NOTHING, READING, dcgm=True))
    assert dict(series[0].labels)["UUID"] == ""
