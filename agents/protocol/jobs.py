"""Jobs as they travel: what is asked for, what became of it, what its ranks say."""

from typing import Any, Final, Literal

import msgspec

JobState = Literal[
    "queued", "placing", "starting", "running", "restarting", "succeeded", "failed", "stopped"
]
ENDED: Final = frozenset({"succeeded", "failed", "stopped"})
"""States that a job does not leave; a restart of an ended job is a new job."""

Launcher = Literal["torchrun", "plain"]


class Resources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a job needs. The `[resources]` table of every spec."""

    nodes: int = 1
    """Hosts. One, until jobs cross hosts."""

    gpus: int | None = None
    """GPUs on each node. By default one for each rank where the node has GPUs, else none."""

    ranks: int | None = None
    """Processes on each node. By default one for each GPU, and one without GPUs."""


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What each rank runs. The agent starts it and need not understand it."""

    arguments: list[str]
    """What follows the interpreter, as ["train.py", "--lr", "1e-3"] or ["-m", "package.module"]."""

    python: str | None = None
    """The interpreter's path; None for the agent's own."""

    folder: str | None = None
    """The working directory; None for the attempt's own folder."""

    environment: dict[str, str] = {}
    """Set on top of the agent's environment."""

    launcher: Launcher = "torchrun"
    """Either "torchrun": ranks under torch's elastic launcher, or "plain": the one process."""


class JobRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A job as a client asks for it: the spec, validated, and what it comes to."""

    kind: str
    name: str
    program: Program
    resources: Resources = Resources()
    spec: dict[str, Any] = {}
    """The whole spec, as the engine's program reads it again."""

    source: str | None = None
    """The job that this one restarts or clones."""


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a job's state: stored before it is shown."""

    time: float
    state: JobState
    cause: str
    """One line for people."""


class Progress(msgspec.Struct, kw_only=True):
    """The newest of what rank 0 said of its work."""

    step: int | None = None
    steps: int | None = None
    """How many there will be."""

    loss: float | None = None
    tokens_per_second: float | None = None
    phase: str | None = None


class JobSummary(msgspec.Struct, kw_only=True):
    """A job as lists show it."""

    id: str
    name: str
    kind: str
    state: JobState
    cause: str
    """Why it is in this state."""

    user: str
    created: float
    """Seconds since 1970."""

    started: float | None = None
    """When its first rank ran."""

    ended: float | None = None
    attempt: int = 0
    """Counted from 1; 0 before the first."""

    nodes: list[str] = []
    """Ids of the nodes it runs on."""

    gpus: list[int] = []
    """Rows of the GPUs it holds."""

    ranks: int = 1
    exit_code: int | None = None
    progress: Progress = msgspec.field(default_factory=Progress)


class JobRecord(msgspec.Struct, kw_only=True):
    """All that is known of one job."""

    summary: JobSummary
    request: JobRequest
    transitions: list[Transition] = []
    folder: str | None = None
    """Where its present attempt writes, on its node."""

    results: dict[str, Any] = {}
    """What its program reported as results: name to number or text."""

    artifacts: dict[str, str] = {}
    """What its program made: name to path on its node."""


class Metric(msgspec.Struct, kw_only=True):
    """A line of numbers that a rank wrote."""

    job: str
    attempt: int
    rank: int
    values: dict[str, float | int | str | None]
    """The trainer's keys: t, step, loss, grad_norm, tokens, dt, t_data, t_comm, mem, phase; or
    whatever else the program measures."""


class LogPiece(msgspec.Struct, kw_only=True):
    """Part of what a rank printed."""

    job: str
    attempt: int
    rank: int
    offset: int
    """Of the first byte in the rank's log."""

    end: int
    """Of the byte after the last: the offset to go on from. Not `offset` plus the text's length,
    since bytes that are no UTF-8 are replaced."""

    text: str


class Curve(msgspec.Struct, kw_only=True):
    """One figure of a job over its steps, thinned: every spike is kept, even ones are merged."""

    name: str
    """The trainer's key, as "loss"."""

    rank: int
    attempt: int
    steps: list[float | None] = []
    """None for a program that does not count steps."""

    times: list[float | None] = []
    """Seconds since 1970."""

    values: list[float] = []


class TaskOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a shim is told: one node's share of an attempt. `order.json` in the task folder.

    It holds the whole job, so that an agent that has lost its records finds it again.
    """

    job: str
    attempt: int
    user: str
    created: float
    """When the job was submitted: seconds since 1970."""

    request: JobRequest
    ranks: int
    gpus: list[str] = []
    """UUIDs, for CUDA_VISIBLE_DEVICES."""

    grace: float = 10.0
    """Seconds between the request to stop and SIGKILL."""


class RankState(msgspec.Struct, kw_only=True):
    """How one rank does."""

    rank: int
    pid: int
    started: float
    """Seconds since 1970."""

    exit_code: int | None = None
    """Negative for a signal, as subprocess says it."""


class TaskState(msgspec.Struct, kw_only=True):
    """What a shim says of its task. `state.json`, replaced atomically."""

    state: Literal["starting", "running", "succeeded", "failed", "stopped"]
    cause: str
    time: float
    shim: int
    """Its pid."""

    shim_ticks: int
    """Its start, in clock ticks since the boot; with pid and boot it names it beyond doubt."""

    boot: str
    """The kernel's id of the boot that the shim runs in."""

    ranks: list[RankState] = []
    exit_code: int | None = None
    first_failure: str | None = None
    """Which rank failed first, when, and the last line it printed."""
