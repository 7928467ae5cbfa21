"""Follows a job until it ends, over one stream of its agent; an agent that ends is waited for."""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from ...agents import start
from ...agents.errors import AgentUnreachable
from ...agents.protocol.facts import Facts, Hello, Interest, JobFacts
from ...agents.protocol.frames import Frame, Kind
from ...agents.protocol.jobs import ENDED, JobSummary, LogPiece
from .loglines import LogLines
from .terminal import Terminal

if TYPE_CHECKING:
    from ...agents.fleet.client import Client
    from ...agents.locations import Locations

RETRY: Final = 0.5
PATIENCE: Final = 30.0
"""Seconds that an agent which is not ours may be away."""

BEATS_TO_BE_HEARD: Final = 3
"""Until the agent has heard that we show this job's logs, they are asked for at each beat."""

NO_PAST: Final = 10**15 - 1
"""A sequence number that no agent reaches: none of the frames before now are wanted."""

Changed = Callable[[JobSummary], None]


class Following:
    """One job, followed: `changed` is told of its summary, `logs` of what it prints."""

    def __init__(
        self, client: "Client", job: str, logs: LogLines, terminal: Terminal, changed: Changed
    ) -> None:
        self._client = client
        self._job = job
        self._logs = logs
        self._terminal = terminal
        self._changed = changed
        self._attempt = 0
        self._beats = 0
        self._live = True

    async def until_end(self, own: "Locations | None") -> JobSummary:
        """The job's summary when it has ended and all that it printed is printed.

        `own` is where our own agent is started again. Raises AgentUnreachable when none comes.
        """
        away = 0.0
        while True:
            try:
                ended = await self._one_stream()
                if ended is not None:
                    return ended
                why = "the agent ended"
            except AgentUnreachable as error:
                if away and time.monotonic() - away > PATIENCE:
                    raise self._given_up(error) from error
                why = str(error)
            if self._live:
                away = time.monotonic()
                self._live = False
                self._terminal.note(f"{why}; job {self._job} goes on, and is looked for")
            await self._wait_for_agent(own)

    async def _one_stream(self) -> JobSummary | None:
        """The last summary; None where the stream ended before the job."""
        self._beats = 0
        boot = (await self._client.hello()).boot
        async for frames in self._client.stream(since=f"{boot}:{NO_PAST}"):
            self._live = True
            for frame in frames:
                ended = await self._take(frame)
                if ended is not None:
                    await self._logs.read_on(ended.attempt)
                    self._logs.close()
                    return ended
        return None

    async def _take(self, frame: Frame) -> JobSummary | None:
        if frame.kind == Kind.HELLO:
            hello = msgspec.msgpack.decode(frame.payload, type=Hello)
            await self._client.show(hello.stream, Interest(logs=[self._job]))
        elif frame.kind == Kind.BEAT and self._beats < BEATS_TO_BE_HEARD and self._attempt:
            self._beats += 1
            await self._logs.read_on(self._attempt)
        elif frame.kind == Kind.LOG:
            piece = msgspec.msgpack.decode(frame.payload, type=LogPiece)
            if piece.job == self._job:
                await self._logs.take(piece)
        elif frame.kind == Kind.FACTS:
            facts = msgspec.msgpack.decode(frame.payload, type=Facts)
            if isinstance(facts, JobFacts) and facts.job.id == self._job:
                return await self._of_job(facts.job)
        return None

    async def _of_job(self, job: JobSummary) -> JobSummary | None:
        if job.attempt > self._attempt:
            # The stream tells what is printed from now on; what was before is asked for.
            self._attempt = job.attempt
            await self._logs.read_on(job.attempt)
        self._changed(job)
        return job if job.state in ENDED else None

    async def _wait_for_agent(self, own: "Locations | None") -> None:
        await asyncio.sleep(RETRY)
        if own is not None:
            try:
                await asyncio.to_thread(start.ensure, own)
            except AgentUnreachable as error:
                raise self._given_up(error) from error

    def _given_up(self, error: AgentUnreachable) -> AgentUnreachable:
        return AgentUnreachable(f"{error}; job {self._job} goes on without being followed")
