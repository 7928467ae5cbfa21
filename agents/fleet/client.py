"""Asks an agent, over its Unix socket or TCP. The console and a parent use the same client."""

import os
from collections.abc import AsyncGenerator, Collection, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from ..errors import AgentIncompatible, AgentUnreachable, RequestRefused
from ..protocol.artifacts import (
    AliasMove,
    ArtifactLine,
    ArtifactVersion,
    Forget,
    Lineage,
    Unneeded,
)
from ..protocol.events import Event
from ..protocol.facts import PROTOCOL, Detail, Hello, Interest, SignalRequest
from ..protocol.frames import Frame, FrameReader
from ..protocol.jobs import (
    Curve,
    JobRecord,
    JobRequest,
    JobSummary,
    LogLine,
    LogPiece,
    RankStacks,
)
from .address import Address

ANSWER_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 2.5
"""A stream that says nothing for five beats is given up and opened again."""

T = TypeVar("T")

BUNDLE_SECONDS: Final = 60.0
"""Until the next piece of an archive: before the first, the ranks are asked for their stacks."""


class Client:
    """One agent. Every method raises AgentUnreachable or RequestRefused with one line."""

    def __init__(self, address: Address) -> None:
        self.address = address
        connector = (
            aiohttp.TCPConnector()
            if address.socket is None
            else aiohttp.UnixConnector(os.fspath(address.socket))
        )
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let the connections go."""
        await self._session.close()

    async def hello(self) -> Hello:
        """Who answers. Raises AgentIncompatible for another protocol."""
        hello = await self._ask("GET", "/v1/hello", Hello)
        if abs(hello.protocol - PROTOCOL) > 1:
            raise AgentIncompatible(
                f"the agent speaks protocol {hello.protocol} (llmos {hello.version}), this llmos "
                f"protocol {PROTOCOL}: install the same llmos on both, then stop the older agent"
            )
        return hello

    async def nodes(self) -> list[dict[str, Any]]:
        """Every node as JSON has it (`protocol.snapshot`)."""
        return await self._ask("GET", "/v1/nodes", list[dict[str, Any]])

    async def detail(self, node: str) -> Detail:
        """One node closely."""
        return await self._ask("GET", f"/v1/nodes/{_name(node)}/detail", Detail)

    async def signal(self, node: str, pid: int, started: float, number: int) -> None:
        """Send a signal to a process that the node's detail lists."""
        asked = SignalRequest(started=started, signal=number)
        await self._ask("POST", f"/v1/nodes/{_name(node)}/processes/{pid}/signal", None, asked)

    async def submit(self, request: JobRequest) -> JobSummary:
        """Hand in a job."""
        return await self._ask("POST", "/v1/jobs", JobSummary, request)

    async def jobs(self) -> list[JobSummary]:
        """Every job, newest first."""
        return await self._ask("GET", "/v1/jobs", list[JobSummary])

    async def job(self, job: str) -> JobRecord:
        """All that is known of one job."""
        return await self._ask("GET", f"/v1/jobs/{_name(job)}", JobRecord)

    async def stop(self, job: str) -> JobSummary:
        """Ask a job to end."""
        return await self._ask("POST", f"/v1/jobs/{_name(job)}/stop", JobSummary)

    async def hold(self, job: str) -> JobSummary:
        """Let a job that waits go on waiting until it is released."""
        return await self._ask("POST", f"/v1/jobs/{_name(job)}/hold", JobSummary)

    async def release(self, job: str) -> JobSummary:
        """Let a held job start when its turn comes."""
        return await self._ask("POST", f"/v1/jobs/{_name(job)}/release", JobSummary)

    async def restart(self, job: str) -> JobSummary:
        """A new attempt of a running job, or a new job like an ended one."""
        return await self._ask("POST", f"/v1/jobs/{_name(job)}/restart", JobSummary)

    async def series(self, job: str, points: int = 500, rank: int = 0) -> list[Curve]:
        """The curves of a job's present attempt, thinned to `points` each."""
        path = f"/v1/jobs/{_name(job)}/series?points={points}&rank={rank}"
        return await self._ask("GET", path, list[Curve])

    async def logs(
        self, job: str, rank: int | None = None, lines: int = 200, offset: int | None = None
    ) -> list[LogPiece]:
        """What a job's ranks printed: the last lines, or from an offset on."""
        query = f"?lines={lines}"
        query += "" if rank is None else f"&rank={rank}"
        query += "" if offset is None else f"&offset={offset}"
        return await self._ask("GET", f"/v1/jobs/{_name(job)}/logs{query}", list[LogPiece])

    async def step_times(self, job: str, points: int) -> list[Curve]:
        """How long the steps of each rank took, thinned to `points` each."""
        path = f"/v1/jobs/{_name(job)}/series?points={points}&rank=all&name=dt"
        return await self._ask("GET", path, list[Curve])

    async def lines(
        self,
        job: str,
        *,
        lines: int = 200,
        ranks: Collection[int] | None = None,
        search: str | None = None,
        fold: bool = True,
        ends: Mapping[int, int] | None = None,
    ) -> list[LogLine]:
        """The newest lines of a job's ranks by time; `ends` by rank: no further than there."""
        query = f"?lines={lines}&fold={fold:d}"
        query += "" if ranks is None else f"&ranks={','.join(map(str, sorted(ranks)))}"
        query += "" if search is None else f"&search={quote(search, safe='')}"
        if ends is not None:
            query += f"&ends={','.join(f'{rank}:{end}' for rank, end in ends.items())}"
        return await self._ask("GET", f"/v1/jobs/{_name(job)}/lines{query}", list[LogLine])

    async def stacks(self, job: str) -> list[RankStacks]:
        """What each rank of a job does right now."""
        return await self._ask("POST", f"/v1/jobs/{_name(job)}/stacks", list[RankStacks])

    async def bundle(self, job: str) -> AsyncGenerator[bytes, None]:
        """All that is known of a job as a gzipped tar, in pieces as they come."""
        url = f"{self.address.base}/v1/jobs/{_name(job)}/bundle"
        patience = aiohttp.ClientTimeout(total=None, sock_read=BUNDLE_SECONDS)
        try:
            async with self._session.post(url, timeout=patience) as answer:
                await _require(answer)
                async for piece in answer.content.iter_any():
                    yield piece
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error

    async def events(self, last: int = 100) -> list[Event]:
        """What happened, newest last."""
        return await self._ask("GET", f"/v1/events?last={last}", list[Event])

    async def artifacts(self, name: str | None = None) -> list[ArtifactVersion]:
        """The newest versions of artifacts, newest first: of all, or of one name."""
        query = "" if name is None else f"?name={_name(name)}"
        return await self._ask("GET", f"/v1/artifacts{query}", list[ArtifactVersion])

    async def artifact(self, reference: str) -> ArtifactVersion:
        """The version that is named by NAME, NAME@VERSION, NAME@ALIAS or a digest."""
        return await self._ask("GET", f"/v1/artifacts/{_name(reference)}", ArtifactVersion)

    async def lineage(self, reference: str) -> Lineage:
        """What an artifact came from, and what came from it."""
        return await self._ask("GET", f"/v1/artifacts/{_name(reference)}/lineage", Lineage)

    async def import_artifact(self, line: ArtifactLine) -> ArtifactVersion:
        """Register what lies whole in a store."""
        return await self._ask("POST", "/v1/artifacts", ArtifactVersion, line)

    async def unneeded_artifacts(self) -> Unneeded:
        """What could be forgotten, and all that is kept."""
        return await self._ask("GET", "/v1/unneeded-artifacts", Unneeded)

    async def forget_artifacts(self, digests: list[str]) -> Unneeded:
        """Forget what is still unneeded of these; what is kept then."""
        return await self._ask("POST", "/v1/unneeded-artifacts", Unneeded, Forget(digests=digests))

    async def move_alias(self, name: str, alias: str, move: AliasMove) -> None:
        """Let an alias point to another version, if it points where the asker thinks."""
        path = f"/v1/artifacts/{_name(name)}/aliases/{_name(alias)}"
        await self._ask("PUT", path, None, move)

    async def show(self, stream: str, interest: Interest) -> None:
        """Say what the reader of a stream shows."""
        await self._ask("PUT", f"/v1/streams/{stream}/interest", None, interest)

    async def stream(
        self, interval: float = 1.0, since: str = ""
    ) -> AsyncGenerator[list[Frame], None]:
        """Frames as they come, in the batches in which they came.

        `since` is "BOOT:SEQ" of the last frame read, to be filled up from there. Ends when the
        agent ends; raises AgentUnreachable when it falls silent and FrameError when it speaks
        nonsense.
        """
        url = f"{self.address.base}/v1/stream?interval={interval}&since={since}"
        timeout = aiohttp.ClientTimeout(total=None, sock_read=SILENCE_SECONDS)
        reader = FrameReader()
        try:
            async with self._session.get(url, timeout=timeout) as response:
                await _require(response)
                async for data in response.content.iter_any():
                    if frames := reader.feed(data):
                        yield frames
                reader.close()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error

    async def _ask(self, method: str, path: str, form: type[T] | None, content: object = None) -> T:
        data = None if content is None else msgspec.json.encode(content)
        try:
            async with self._session.request(method, self.address.base + path, data=data) as answer:
                await _require(answer)
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error
        if form is None:
            return None  # type: ignore[return-value]
        try:
            return msgspec.json.decode(body, type=form)
        except msgspec.DecodeError as error:
            raise AgentIncompatible(f"{self.address.text} answers {path} oddly: {error}") from error

    def _unreachable(self, error: BaseException) -> AgentUnreachable:
        why = "no answer in time" if isinstance(error, TimeoutError) else _reason(error)
        return AgentUnreachable(f"no agent at {self.address.text}: {why}")


def _name(text: str) -> str:
    """A name that a person typed, as one segment of a path. No node or job has an odd one."""
    return quote(text, safe="")


def _reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
        return "it ended in the middle of its answer"
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return (isinstance(cause, OSError) and cause.strerror) or str(cause) or type(cause).__name__


async def _require(response: aiohttp.ClientResponse) -> None:
    if response.status < 400:
        return
    try:
        message = msgspec.json.decode(await response.read(), type=dict[str, str])["error"]
    except (msgspec.DecodeError, KeyError):
        message = f"{response.method} {response.url.path}: {response.reason}"
    raise RequestRefused(message, response.status)
