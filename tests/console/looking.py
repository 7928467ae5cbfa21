"""What a test reads off the screen and tells the app."""

from typing import Any

from textual.pilot import Pilot

from llmos.agents.fleet.client import Client
from llmos.agents.protocol.artifacts import AliasMove, ArtifactVersion, Lineage, digest_of
from llmos.agents.protocol.events import Event
from llmos.agents.protocol.frames import Frame
from llmos.agents.protocol.jobs import Curve, JobRecord, JobRequest, JobSummary, LogPiece, Program
from llmos.console.app import ConsoleApp
from llmos.console.messages import FleetUpdated
from llmos.tests.console.fleets import NOW, job

MODEL = ArtifactVersion(
    name="reviews",
    version=1,
    kind="model",
    digest=digest_of(b"model"),
    uri="s3://models",
    created=NOW - 60,
    job="7",
    aliases=["champion"],
)


def seen(app: ConsoleApp) -> str:
    """The characters on the screen, line by line."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


async def tell(pilot: Pilot[int], *frames: Frame) -> None:
    """Frames that the agent sent, and their effect on the screen."""
    app = pilot.app
    assert isinstance(app, ConsoleApp)
    for frame in frames:
        app.feed.store.apply(frame)
    app.post_message(FleetUpdated())
    await settled(pilot)


async def settled(pilot: Pilot[int]) -> None:
    """Layouts may take a second round: a plot is drawn once it knows its size."""
    for _ in range(2):
        await pilot.pause()


def notices(app: ConsoleApp) -> list[str]:
    """What was told in the corner."""
    return [notice.message for notice in app._notifications]


class Agent(Client):
    """Stands where the client to the agent is, and remembers what it was asked."""

    def __init__(self, summary: JobSummary | None = None) -> None:  # not the client's own
        self.asked: list[tuple[object, ...]] = []
        self.summary = summary or job("7")
        self.pieces: list[LogPiece] = []
        self.results: dict[str, object] = {}
        self.made = [MODEL]

    async def stop(self, job: str) -> JobSummary:
        self.asked.append(("stop", job))
        return self.summary

    async def restart(self, job: str) -> JobSummary:
        self.asked.append(("restart", job))
        return self.summary

    async def signal(self, node: str, pid: int, started: float, number: int) -> None:
        self.asked.append(("signal", node, pid, number))

    async def submit(self, request: JobRequest) -> JobSummary:
        self.asked.append(("submit", request.kind, request.name))
        return self.summary

    async def job(self, job: str) -> JobRecord:
        self.asked.append(("job", job))
        request = JobRequest(kind="train", name="train-text", program=Program(arguments=[]))
        return JobRecord(summary=self.summary, request=request, results=self.results)

    async def series(self, job: str, points: int = 500, rank: int = 0) -> list[Curve]:
        return []

    async def logs(
        self, job: str, rank: int | None = None, lines: int = 200, offset: int | None = None
    ) -> list[LogPiece]:
        return self.pieces

    async def events(self, last: int = 100) -> list[Event]:
        return []

    async def artifacts(self, name: str | None = None) -> list[ArtifactVersion]:
        return [one for one in self.made if name in (None, one.name)]

    async def lineage(self, reference: str) -> Lineage:
        return Lineage(root=self.made[0].digest, versions=self.made, edges=[])

    async def move_alias(self, name: str, alias: str, move: AliasMove) -> None:
        self.asked.append(("move", name, alias, move.version))

    async def _ask(self, method: str, path: str, form: Any, content: object = None) -> Any:
        """Nobody has merged lines, step times or stacks."""
        return []
