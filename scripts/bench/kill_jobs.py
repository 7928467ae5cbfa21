"""The jobs of the kill campaign: what they run, and what each comes to if nothing harms it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from llmos.agents.protocol.jobs import JobRequest, Launcher, Program, Resources, Retry
from llmos.scripts.bench.kill_rank import TRUTH

if TYPE_CHECKING:
    from random import Random

    from llmos.scripts.bench.kill_place import Agent

PROGRAM: Final = Path(__file__).with_name("kill_rank.py")
MOST_ATTEMPTS: Final = 3


@dataclass(frozen=True)
class Kind:
    """One way of being a job."""

    name: str
    steps: tuple[int, int]
    """Of 50 ms: the least and the most."""

    words: tuple[str, ...] = ()
    ranks: int = 1
    gpus: int | None = None
    """None for one for each rank."""

    warm: bool = False
    launcher: Launcher = "torchrun"
    state: str = "succeeded"
    code: int | None = 0
    failing: int | None = None
    """The rank that fails."""

    stopped_after: tuple[float, float] | None = None
    """Seconds after its submission, least and most, when it is asked to stop."""

    retries: bool = False
    """Whether a killed attempt is to be followed by another."""

    weight: int = 2


KINDS: Final = (
    Kind("short", (2, 10), gpus=0, launcher="plain", weight=4),
    Kind("short warm", (2, 10), warm=True, weight=4),
    Kind("long", (60, 160), ranks=2, retries=True, weight=3),
    Kind("warm", (20, 80), ranks=2, warm=True, retries=True),
    Kind("gloo", (40, 120), ("--gloo",), ranks=2, warm=True, retries=True, weight=4),
    Kind("gloo cold", (20, 60), ("--gloo",), ranks=2, gpus=0, weight=1),
    Kind("escapees", (20, 80), ("--escapees",), ranks=2),
    Kind("escapees warm", (20, 80), ("--escapees",), warm=True),
    Kind(
        "exits with 7",
        (5, 40),
        ("--failing-rank", "1", "--code", "7"),
        ranks=2,
        state="failed",
        code=7,
        failing=1,
    ),
    Kind(
        "raises",
        (5, 40),
        ("--failing-rank", "0", "--code", "1", "--raises", "--escapees"),
        ranks=2,
        warm=True,
        state="failed",
        code=1,
        failing=0,
    ),
    Kind(
        "stopped",
        (2000, 2000),
        ("--sigterm", "tidy"),
        ranks=2,
        warm=True,
        state="stopped",
        code=None,
        stopped_after=(0.0, 4.0),
    ),
    Kind(
        "stopped cold",
        (2000, 2000),
        ("--escapees",),
        ranks=2,
        state="stopped",
        code=None,
        stopped_after=(0.0, 5.0),
    ),
    Kind(
        "stubborn",
        (2000, 2000),
        ("--sigterm", "ignore", "--escapees"),
        ranks=2,
        gpus=1,
        state="stopped",
        code=None,
        stopped_after=(0.5, 3.0),
        weight=1,
    ),
)


@dataclass
class Job:
    """A job of the campaign."""

    agent: Agent
    name: str
    kind: Kind
    request: JobRequest
    id: str | None = None
    """None until an agent has said that it took it."""

    submitted: float = 0.0
    stop_at: float | None = None
    """When it is to be asked to stop."""

    stop_sent: float | None = None
    stopped: float | None = None
    """When an agent said that it was asked to."""

    ended_at: float | None = None
    """When it was seen to have ended."""

    struck: dict[int, list[int]] = field(default_factory=dict)
    """Ranks that the campaign killed, in order, by attempt."""

    record: dict[str, object] | None = None


def make(kind: Kind, number: int, agent: Agent, random: Random) -> Job:
    """A job of that kind."""
    steps = random.randint(*kind.steps)
    name = f"{number} {kind.name}"
    request = JobRequest(
        kind="command",
        name=name,
        program=Program(
            arguments=[str(PROGRAM), "--steps", str(steps), *kind.words],
            environment={TRUTH: str(agent.truth)},
            launcher=kind.launcher,
            warm=kind.warm,
        ),
        resources=Resources(ranks=kind.ranks, gpus=kind.ranks if kind.gpus is None else kind.gpus),
        spec={"kind": "command"},
        retry=Retry(max_attempts=MOST_ATTEMPTS if kind.retries else 1, backoff=0.2),
    )
    return Job(agent, name, kind, request)
