"""The one worker that talks to the agent: it keeps a stream open and the store filled.

Whatever goes wrong is mended here, without end and without a word to the widgets but the state of
the link: an agent that died is started again, one that hangs is asked again.
"""

import asyncio
import importlib
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from textual.message import Message

from ..agents import start
from ..agents.errors import AgentIncompatible, FrameError, LlmosError
from ..agents.fleet.store import Store
from ..agents.protocol.events import Event
from ..agents.protocol.facts import Interest
from ..agents.protocol.frames import Frame, Kind
from ..agents.protocol.jobs import LogPiece, Metric
from .link import Link, State
from .messages import EventHappened, FleetUpdated, LinkChanged, LogArrived, MetricsArrived
from .picture import Picture

if TYPE_CHECKING:
    from ..agents.fleet.address import Address
    from ..agents.fleet.client import Client
    from ..agents.locations import Locations

RETRY_SECONDS: Final = 0.5


class Feed:
    """Fills a store from one agent and posts what happened."""

    def __init__(
        self,
        address: "Address",
        own: "Locations | None",
        interval: float,
        post: Callable[[Message], object],
        picture: Picture | None = None,
    ) -> None:
        self._address = address
        self._own = own
        """Where our own agent is to be started; None for one that is not ours."""

        self.interval = interval
        self._post = post
        self._picture = picture
        self._metrics: list[Metric] = []
        self._pieces: list[LogPiece] = []
        self._interest = Interest()
        self._interest_changed = asyncio.Event()
        self._again = asyncio.Event()
        self.store = Store(self._heard)
        self.link = Link(since=time.monotonic())
        self.client: Client | None = None

    async def run(self) -> None:
        """Until cancelled."""
        # On a thread, after the first picture is on the screen: aiohttp takes longer than the rest.
        await asyncio.to_thread(importlib.import_module, "aiohttp")
        from ..agents.fleet.client import Client

        async with Client(self._address) as client:
            self.client = client
            while True:
                await self._once(client)
                if not self._again.is_set():
                    await asyncio.sleep(RETRY_SECONDS)

    def show(self, interest: Interest) -> None:
        """Say what the screen shows, so that its detail is sent."""
        if interest != self._interest:
            self._interest = interest
            self._interest_changed.set()

    def set_interval(self, interval: float) -> None:
        """Ask for samples at another rate, on a new stream that goes on where this one ends."""
        self.interval = interval
        self._again.set()

    async def _once(self, client: "Client") -> None:
        """One connection, from its start to its end."""
        self._again.clear()
        try:
            if self._own is not None:
                await asyncio.to_thread(start.ensure, self._own)
            await self._follow(client)
            if not self._again.is_set():
                self._set_link("lost", "the agent ended")
        except AgentIncompatible as error:
            self._set_link("refused", str(error))
        except FrameError as error:
            await self._explain(client, error)
        except LlmosError as error:
            self._set_link("lost", str(error))

    async def _explain(self, client: "Client", error: FrameError) -> None:
        """Frames that cannot be read may be those of another protocol: its greeting says so."""
        try:
            await client.hello()
        except AgentIncompatible as other:
            self._set_link("refused", str(other))
        except LlmosError as other:
            self._set_link("lost", str(other))
        else:
            self._set_link("lost", str(error))

    async def _follow(self, client: "Client") -> None:
        """Read one stream until it ends, or until another rate is wanted."""
        interest = asyncio.create_task(self._tell_interest(client))
        try:
            async with aclosing(client.stream(self.interval, self._since())) as stream:
                async for frames in stream:
                    self._apply(frames)
                    if self._again.is_set():
                        return
        finally:
            interest.cancel()

    def _since(self) -> str:
        hello = self.store.hello
        return f"{hello.boot}:{self.store.seq}" if hello is not None else ""

    def _apply(self, frames: list[Frame]) -> None:
        for frame in frames:
            self.store.apply(frame)
            if self._picture is not None:
                self._picture.keep(frame)
        self._set_link("live", "")
        if any(frame.kind == Kind.HELLO for frame in frames):
            self._interest_changed.set()  # a new stream knows nothing of what we show
        if any(frame.kind != Kind.BEAT for frame in frames):
            self._post(FleetUpdated())
        if self._metrics:
            metrics, self._metrics = self._metrics, []
            self._post(MetricsArrived(metrics))
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            self._post(LogArrived(pieces))

    async def _tell_interest(self, client: "Client") -> None:
        while True:
            await self._interest_changed.wait()
            self._interest_changed.clear()
            if self.store.hello is not None and self.link.state == "live":
                try:
                    await client.show(self.store.hello.stream, self._interest)
                except LlmosError:
                    continue  # the stream is ending; the next one asks again

    def _heard(self, item: Metric | LogPiece | Event) -> None:
        if isinstance(item, Metric):
            self._metrics.append(item)
        elif isinstance(item, LogPiece):
            self._pieces.append(item)
        else:
            self._post(EventHappened(item))

    def _set_link(self, state: State, why: str) -> None:
        if (state, why) != (self.link.state, self.link.why):
            self.link = Link(state, why, time.monotonic())
            self._post(LinkChanged())
