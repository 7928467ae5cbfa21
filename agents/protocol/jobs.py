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

    priority: int = 0
    """Of two jobs that wait, the one with the higher priority starts first, then the older."""


class Retry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a failed attempt is followed by another. The `[retry]` table of every spec.

    Only failures that another attempt may mend count: see `agents.node.task.failures`.
    """

    max_attempts: int = 1
    """Attempts in all, within the window; 1 for no retry."""

    backoff: float = 10.0
    """Seconds before the second attempt; doubled before each further one, to at most 600."""

    window: float = 3600.0
    """Seconds: attempts that began longer ago are not counted any more."""


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
    """Either "torchrun": ranks with the environment that torchrun gives them, or "plain": the one
    process."""

    warm: bool = False
    """Whether ranks may be forked from a process that has imported torch already. Only where the
    interpreter is the agent's own."""

    preload: list[str] = []
    """Modules that this process has imported besides torch: those that the program begins with."""

    prefix: list[str] = []
    """Words ahead of the interpreter, as those that enter a container."""

    setup: str | None = None
    """Lines of shell that prepare the environment, as `module load cuda`; run by a login bash."""

    torch: str | None = None
    """The version of torch that the interpreter has, as found when the job was submitted; None
    where there is none or it could not be looked for."""

    step_regex: str | None = None
    """Finds figures in what rank 0 prints: each named group is a figure, `step` its place."""


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact that a job reads: the one version that its reference was pinned to."""

    digest: str
    uri: str
    """The store that holds the bytes, as fsspec names it."""


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

    after: list[str] = []
    """Ids of jobs that must have succeeded before this one starts; "12:any": ended in any way."""

    hold: bool = False
    """Whether it waits until it is released."""

    retry: Retry = Retry()
    inputs: dict[str, Input | None] = {}
    """Artifacts that the program reads, by reference, as "reviews@champion". The agent pins them:
    as soon as it takes the job, or, where the job waits for others, when its turn comes."""

    array: str | None = None
    """The name that jobs submitted together have in common: of a matrix of settings, or of a spec
    of several jobs."""


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
    priority: int = 0
    held: bool = False
    """Whether it waits until it is released."""

    after: list[str] = []
    array: str | None = None
    failure: str | None = None
    """The name of what its newest failed attempt failed of, one of `agents.node.task.failures`."""


class Failure(msgspec.Struct, kw_only=True):
    """The first failure of an attempt: what made the others end."""

    name: str
    """What it is, one of the names in `agents.node.task.failures`, as "out of memory"."""

    time: float
    """Seconds since 1970."""

    rank: int | None = None
    """None where no rank failed, as when none was started."""

    exit_code: int | None = None
    exception: str | None = None
    """Type and message, where the rank raised one."""

    lines: list[str] = []
    """The last that the rank printed."""


class AttemptRecord(msgspec.Struct, kw_only=True):
    """One attempt of a job, as its task folder tells it."""

    attempt: int
    state: str
    cause: str
    started: float | None = None
    ended: float | None = None
    failure: Failure | None = None


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

    attempts: list[AttemptRecord] = []
    """Oldest first."""


class Metric(msgspec.Struct, kw_only=True):
    """A line of numbers that a rank wrote."""

    job: str
    attempt: int
    rank: int
    values: dict[str, float | int | str | None]
    """The trainer's keys: t, step, loss, grad_norm, tokens, dt, t_data, t_comm, mem, phase; or
    whatever else the program measures."""

    source: str = "llmos"
    """Who wrote it: "llmos" for the lines of `engine.progress`, else the kind of source and its
    path, as "tensorboard runs/1"."""


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


class LogLine(msgspec.Struct, kw_only=True):
    """One line of the merged log, as several ranks may have printed it."""

    time: float
    """Seconds since 1970, to about a quarter of a second; of the first rank that printed it."""

    ranks: list[int]
    text: str


class RankStacks(msgspec.Struct, kw_only=True):
    """What one rank does right now."""

    rank: int
    pid: int
    state: str
    """In a word or two, from /proc: "running", "sleeping", "waiting in the kernel", "stopped"."""

    method: str | None = None
    """Who told the stacks: "faulthandler", "py-spy" or "py-spy --native"; None where nobody did."""

    text: str = ""
    """The stacks, or in one line why there are none."""


class Curve(msgspec.Struct, kw_only=True):
    """One figure of a job over its steps, thinned: every spike is kept, even ones are merged."""

    name: str
    """The trainer's key, as "loss"."""

    source: str = "llmos"
    """As in `Metric`."""

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

    artifacts: str = ""
    """The store for what the ranks make and register, as fsspec names it."""

    inputs: dict[str, Input] = {}
    """The artifacts that the ranks read, by reference: LLMOS_INPUTS."""


class RankState(msgspec.Struct, kw_only=True):
    """How one rank does."""

    rank: int
    pid: int
    started: float
    """Seconds since 1970."""

    exit_code: int | None = None
    """Negative for a signal, as subprocess says it."""

    ticks: int = 0
    """Its start, in clock ticks since the boot; with the pid it names it beyond doubt."""

    ended: float | None = None
    """Seconds since 1970; None while it runs."""


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
    failure: Failure | None = None
    """What failed first."""
