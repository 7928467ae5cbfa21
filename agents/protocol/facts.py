"""What changes rarely, or is asked for: who speaks, what a node is, what one node shows in detail.

Every struct travels as msgpack on the wire and as JSON to curl, with the same keys. None is
"not known".
"""

from typing import Final

import msgspec

from .fields import GPU_FIELDS, NODE_FIELDS, Field
from .jobs import JobSummary

PROTOCOL: Final = 1
"""Agents one version apart work together."""


class Hello(msgspec.Struct, kw_only=True):
    """The first frame of a stream."""

    protocol: int = PROTOCOL
    version: str
    """Of the llmos that speaks."""

    node: str
    """The id of the node that speaks."""

    boot: str
    """Names this run of the agent: sequence numbers start again with each."""

    stream: str
    """Names this stream, for `PUT /v1/streams/ID/interest`."""

    interval: float
    """Seconds between samples."""

    node_fields: tuple[Field, ...] = NODE_FIELDS
    gpu_fields: tuple[Field, ...] = GPU_FIELDS


class Gap(msgspec.Struct, kw_only=True):
    """Frames that a reader asked for and that are no longer ringed."""

    first: int
    last: int


class Link(msgspec.Struct, kw_only=True):
    """One NVLink of a GPU."""

    index: int
    active: bool | None = None
    version: int | None = None
    remote: str | None = None
    """PCI bus id of the other end."""


class RemappedRows(msgspec.Struct, kw_only=True):
    """Memory rows replaced by spares."""

    corrected: int | None = None
    uncorrected: int | None = None
    pending: bool | None = None
    failed: bool | None = None


class GpuFacts(msgspec.Struct, kw_only=True):
    """What a GPU is. A MIG instance is a row of its own."""

    index: int
    """The row: physical GPUs first, as NVML numbers them, then MIG instances."""

    name: str | None = None
    uuid: str | None = None
    pci_bus_id: str | None = None
    memory_total: int | None = None
    """MiB."""

    power_limit: float | None = None
    """W, the one in force."""

    power_limit_default: float | None = None
    power_limit_min: float | None = None
    power_limit_max: float | None = None
    temperature_slowdown: int | None = None
    """°C."""

    temperature_shutdown: int | None = None
    sm_clock_max: int | None = None
    """MHz."""

    memory_clock_max: int | None = None
    pcie_generation: int | None = None
    pcie_generation_max: int | None = None
    pcie_width: int | None = None
    pcie_width_max: int | None = None
    pcie_replays: int | None = None
    ecc: bool | None = None
    ecc_corrected: int | None = None
    """Since the counters were last reset."""

    ecc_uncorrected: int | None = None
    remapped_rows: RemappedRows | None = None
    links: list[Link] = []
    vbios: str | None = None
    compute_capability: str | None = None
    persistence: bool | None = None
    mig: bool | None = None
    """Whether MIG is on."""

    parent: int | None = None
    """Of a MIG instance: the row of its GPU."""

    profile: str | None = None
    """Of a MIG instance, as "1g.10gb"."""

    unsupported: list[str] = []
    """Fields of the sample that this GPU's driver says it does not support."""


class Disk(msgspec.Struct, kw_only=True):
    """A mounted file system."""

    mount: str
    device: str
    kind: str
    total: int | None = None
    """MiB."""

    used: int | None = None


class Collector(msgspec.Struct, kw_only=True):
    """How one sampler does. "No data" is not "failed"."""

    name: str
    """Such as "host", "gpu 3", "events"."""

    state: str = "ok"
    """ok, absent (nothing of its kind here), late (past its deadline), failed."""

    seconds: float | None = None
    """What its last round took."""

    message: str | None = None
    """Why it is not ok, and what to do."""


class NodeFacts(msgspec.Struct, kw_only=True, tag="node", tag_field="what"):
    """What a node is. Binds a slot to a node id."""

    slot: int
    node: str
    """The stored id of the node: a renamed host keeps it."""

    hostname: str
    address: str | None = None
    version: str | None = None
    """Of its agent."""

    system: str | None = None
    """As "Debian GNU/Linux 12 (bookworm)"."""

    kernel: str | None = None
    booted: float | None = None
    """Seconds since 1970."""

    cpu: str | None = None
    cores: int | None = None
    """Logical ones."""

    memory_total: int | None = None
    """MiB."""

    swap_total: int | None = None
    driver: str | None = None
    """Version of the NVIDIA driver; None without one."""

    cuda: str | None = None
    """The newest CUDA that the driver speaks."""

    other_gpus: list[str] = []
    """GPUs of other makers, by name: seen, not supported yet."""

    gpus: list[GpuFacts] = []
    disks: list[Disk] = []
    collectors: list[Collector] = []


class JobFacts(msgspec.Struct, kw_only=True, tag="job", tag_field="what"):
    """A job as lists show it; sent when it changes."""

    job: JobSummary


Facts = NodeFacts | JobFacts


class Process(msgspec.Struct, kw_only=True):
    """A process that a GPU's driver or a job names."""

    pid: int
    started: float | None = None
    """Seconds since 1970; with the pid it names the process beyond doubt. None where the driver
    names a process of another PID namespace: here its pid may be that of a stranger."""

    user: str | None = None
    command: str | None = None
    cpu: float | None = None
    """Percent of one core."""

    memory: int | None = None
    """MiB, resident."""

    gpu: int | None = None
    """The row of the GPU it uses; a process on two GPUs is listed twice."""

    gpu_memory: int | None = None
    """MiB."""

    use: str | None = None
    """compute, graphics, or both."""

    job: str | None = None
    rank: int | None = None


class DiskRate(msgspec.Struct, kw_only=True):
    """What one block device moves."""

    device: str
    read: float | None = None
    """KiB/s."""

    write: float | None = None


class NetworkRate(msgspec.Struct, kw_only=True):
    """What one network interface moves."""

    interface: str
    receive: float | None = None
    """KiB/s."""

    send: float | None = None
    speed: int | None = None
    """Mbit/s of the link."""


class Detail(msgspec.Struct, kw_only=True):
    """One node closely, for who shows it."""

    slot: int
    cores: list[float | None] = []
    """Percent, by logical core."""

    load: list[float] = []
    """Over 1, 5 and 15 minutes."""

    disks: list[DiskRate] = []
    networks: list[NetworkRate] = []
    processes: list[Process] = []


class SignalRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A signal for a process that the detail lists."""

    started: float
    """As the detail says it: a pid that is used again is never hit."""

    signal: int = 15
    """The number: SIGTERM, SIGKILL, SIGINT or SIGHUP."""


class Interest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a reader of a stream shows, and so wants to be sent. Each request replaces the last."""

    nodes: list[str] = []
    """Ids of nodes whose detail is shown."""

    jobs: list[str] = []
    """Ids of jobs whose metrics are shown."""

    logs: list[str] = []
    """Ids of jobs whose logs are shown."""
