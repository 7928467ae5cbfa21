"""Fleets made of frames, as an agent would send them: figures that do not move, and every fault."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from llmos.agents.protocol.facts import (
    Detail,
    Disk,
    GpuFacts,
    Hello,
    JobFacts,
    Link,
    NodeFacts,
    Process,
)
from llmos.agents.protocol.fields import GPU_STATES, Value
from llmos.agents.protocol.frames import Frame, Kind
from llmos.agents.protocol.jobs import JobState, JobSummary, Progress
from llmos.agents.protocol.samples import pack_sample

NOW = 1_750_000_000.0
"""2025-06-15 15:06:40 UTC."""

LOADS = (97, 93, 98, 88, 71, 46, 12, 0)
Values = Mapping[str, Value]


@dataclass
class Fleet:
    """What the agent knows. `frames` tells all of it; `sample` and the like one thing again."""

    nodes: int = 1
    gpus: int = 8
    samples: int = 120
    mig: bool = False
    faults: Mapping[int, str] = field(default_factory=dict)
    """GPU → state, or "hot", or "absent" for no figure at all; on every node."""

    figures: Mapping[int, Values] = field(default_factory=dict)
    """GPU → figures in place of the usual ones."""

    jobs: tuple[JobSummary, ...] = ()
    processes: tuple[Process, ...] = ()
    silent: bool = False
    """Whether the hosts' own figures are absent, too."""

    def frames(self) -> Iterator[Frame]:
        hello = Hello(version="0", node="node-0", boot="b", stream="s", interval=1.0)
        yield _frame(Kind.HELLO, hello)
        for slot in range(self.nodes):
            yield _frame(Kind.FACTS, self.node(slot))
        for job in self.jobs:
            yield job_frame(job)
        for age in reversed(range(self.samples if self.nodes else 0)):
            yield self.sample(NOW - age)
        for slot in range(min(self.nodes, 1)):
            yield self.detail(slot)

    def sample(self, at: float = NOW) -> Frame:
        nodes = [self._host(slot, at) for slot in range(self.nodes)]
        rows = self.gpus + (2 if self.mig else 0)
        gpus = [self._gpu(slot, row, at) for slot in range(self.nodes) for row in range(rows)]
        return Frame(Kind.SAMPLE, pack_sample(nodes, gpus), wall=at)

    def detail(self, slot: int) -> Frame:
        cores: list[float | None] = [12.5 * core for core in range(8)]
        detail = Detail(slot=slot, cores=cores, processes=list(self.processes))
        return _frame(Kind.DETAIL, detail)

    def node(self, slot: int) -> NodeFacts:
        return NodeFacts(
            slot=slot,
            node=f"node-{slot}",
            hostname=f"gpu-{slot + 1}",
            version="0",
            system="Debian GNU/Linux 12 (bookworm)",
            kernel="6.1.0",
            cpu="AMD EPYC 9654",
            cores=8,
            memory_total=1_031_000,
            swap_total=0,
            driver="580.65.06" if self.gpus else None,
            cuda="13.0" if self.gpus else None,
            gpus=[*self._gpu_facts(slot)],
            disks=[Disk(mount="/", device="nvme0n1", kind="ext4", total=900_000, used=210_000)],
        )

    def _gpu_facts(self, slot: int) -> Iterator[GpuFacts]:
        for index in range(self.gpus):
            absent = self.faults.get(index) == "absent"
            yield GpuFacts(
                index=index,
                name="NVIDIA H100 80GB HBM3",
                uuid=f"GPU-{slot:08x}-0000-0000-0000-{index:012x}",
                memory_total=None if absent else 81_559,
                power_limit=None if absent else 700.0,
                temperature_slowdown=None if absent else 89,
                pcie_generation=5,
                pcie_width=16,
                ecc=True,
                ecc_corrected=0,
                ecc_uncorrected=0,
                links=[Link(index=at, active=True) for at in range(18)],
                mig=self.mig and index == 0,
            )
        for at in range(2 if self.mig else 0):
            index = self.gpus + at
            yield GpuFacts(
                index=index,
                name="NVIDIA H100 80GB HBM3 MIG 3g.40gb",
                uuid=f"MIG-{at}",
                memory_total=40_448,
                parent=0,
                profile="3g.40gb",
            )

    def _host(self, slot: int, at: float) -> Values:
        if self.silent:
            return {"slot": slot}
        return {
            "slot": slot,
            "cpu": 40 + 20 * math.sin(at / 20),
            "pressure_cpu": 2,
            "load": 3.25,
            "memory_used": 131_072,
            "swap_used": 0,
            "disk_read": 0,
            "disk_write": 52_000,
            "network_receive": 1_250,
            "network_send": 310,
        }

    def _gpu(self, slot: int, row: int, at: float) -> Values:
        place = {"slot": slot, "index": row}
        if row >= self.gpus:
            return place | {"state": 0, "memory_used": 9_000}
        fault = self.faults.get(row, "ok")
        if fault in ("lost", "hung", "absent"):
            return place | {"state": 0 if fault == "absent" else GPU_STATES.index(fault)}
        load = LOADS[row % len(LOADS)] if not (self.mig and row == 0) else None
        busy = load or 0
        usual: Values = {
            "state": 0 if fault == "hot" else GPU_STATES.index(fault),
            "utilization": load and max(round(load + math.sin(at / 7 + row)), 1),
            "memory_utilization": busy // 2,
            "temperature": 91 if fault == "hot" else 34 + busy * 35 // 100,
            "fan": 30 + busy * 4 // 10,
            "performance_state": 0,
            "throttle": 0b0010_0000 if fault == "hot" else 0b0000_0010 if busy > 95 else 0,
            "memory_used": 1_600 + busy * 720,
            "power": 77 + busy * 6,
            "sm_clock": 1_980 - (180 if busy > 80 else 0) if busy else 345,
            "memory_clock": 2_619,
            "pcie_send": busy * 9,
            "pcie_receive": busy * 22,
        }
        if load == 0:
            usual = {**usual, "utilization": 0}
        return {**place, **usual, **self.figures.get(row, {})}


def job(id: str, state: JobState = "running", **more: object) -> JobSummary:
    """A job as told a moment ago."""
    usual: dict[str, object] = {
        "name": "train-text",
        "kind": "train",
        "cause": "2 ranks at work",
        "user": "ada",
        "created": NOW - 95,
        "started": NOW - 90,
        "attempt": 1,
        "nodes": ["node-0"],
        "gpus": [0, 1],
        "ranks": 2,
        "progress": Progress(step=120, steps=300, loss=3.14159, tokens_per_second=18_432.0),
    }
    return JobSummary(id=id, state=state, **(usual | more))  # type: ignore[arg-type]


def job_frame(summary: JobSummary) -> Frame:
    """The frame that tells of a job."""
    return _frame(Kind.FACTS, JobFacts(job=summary))


TRAINER = Process(
    pid=41_812,
    started=NOW - 3_725,
    user="ada",
    command="python train.py --config configs/large.toml --resume",
    cpu=187.0,
    memory=20_480,
    gpu=0,
    gpu_memory=70_144,
    use="compute",
    job="7",
    rank=0,
)
STRANGER = Process(pid=17, user=None, command=None, gpu=5, gpu_memory=33_000, use="compute")


def _frame(kind: Kind, payload: msgspec.Struct) -> Frame:
    return Frame(kind, msgspec.msgpack.encode(payload), wall=NOW)
