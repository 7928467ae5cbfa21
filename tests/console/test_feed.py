"""The feed over real agents: what dies, hangs or speaks otherwise is said, and mended."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from llmos.agents import locations, start
from llmos.agents.fleet import client as clients
from llmos.agents.fleet.address import unix
from llmos.agents.locations import Locations
from llmos.agents.protocol.facts import Interest
from llmos.agents.protocol.frames import Frame, Kind
from llmos.console import feed as feeds
from llmos.console.feed import Feed
from llmos.console.messages import FleetUpdated, LinkChanged
from llmos.tests.agents.fleet.told import hello

if TYPE_CHECKING:
    from textual.message import Message

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
PATIENCE = 30.0


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Locations]:
    found = locations.find(tmp_path / "state")
    yield found
    with contextlib.suppress(OSError):
        if (pid := owner(found)) != os.getpid():
            os.kill(pid, signal.SIGKILL)


def owner(place: Locations) -> int:
    """The process that listens there."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(os.fspath(place.socket))
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(credentials[:4], sys.byteorder)


class Fed:
    """A feed that runs, and what it posted."""

    def __init__(self, place: Locations, own: bool = True) -> None:
        self.posted: list[Message] = []
        self.feed = Feed(unix(place.socket), place if own else None, 0.1, self.posted.append)
        self.task = asyncio.create_task(self.feed.run())

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not true():
                assert not self.task.done()
                await asyncio.sleep(0.02)

    async def link(self, state: str) -> None:
        await self.until(lambda: self.feed.link.state == state)

    async def samples(self, more: int = 3) -> None:
        wanted = len(self.feed.store.node_history) + more
        await self.until(lambda: len(self.feed.store.node_history) >= wanted)


Feeding = Callable[..., Fed]


@pytest.fixture
async def feeding() -> AsyncIterator[Feeding]:
    started: list[Fed] = []

    def begin(place: Locations, own: bool = True) -> Fed:
        started.append(Fed(place, own))
        return started[-1]

    yield begin
    for fed in started:
        fed.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await fed.task


async def test_an_agent_is_started_and_the_store_filled(feeding: Feeding, place: Locations):
    fed = feeding(place)
    assert fed.feed.link.state == "starting"
    await fed.link("live")
    await fed.samples()
    assert fed.feed.store.facts[0].node == place.node_id.read_text().strip()
    assert {FleetUpdated, LinkChanged} == {type(message) for message in fed.posted}
    assert sum(isinstance(message, LinkChanged) for message in fed.posted) == 1


async def test_a_killed_agent_is_lost_and_started_again_and_the_store_goes_on(
    feeding: Feeding, place: Locations, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(feeds, "RETRY_SECONDS", 0.05)
    fed = feeding(place)
    await fed.link("live")
    await fed.samples()
    store, boot = fed.feed.store, fed.feed.store.hello
    before = len(store.node_history)
    os.kill(owner(place), signal.SIGKILL)
    await fed.link("lost")
    assert fed.feed.link.why.startswith("no agent at unix:")
    await fed.link("live")
    await fed.samples()
    assert fed.feed.store is store
    assert store.hello != boot
    assert len(store.node_history) > before


async def test_an_agent_that_is_not_ours_is_waited_for(
    feeding: Feeding, place: Locations, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(feeds, "RETRY_SECONDS", 0.05)
    fed = feeding(place, own=False)
    await fed.link("lost")
    assert not start.answers(place)
    process = start.spawn(place)
    await asyncio.to_thread(start.wait, place, process)
    await fed.link("live")


async def test_a_stopped_agent_falls_silent_and_is_healed_when_it_goes_on(
    feeding: Feeding, place: Locations, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(clients, "SILENCE_SECONDS", 0.8)
    fed = feeding(place)
    await fed.link("live")
    await fed.samples()
    pid, hello_before = owner(place), fed.feed.store.hello
    assert hello_before is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        await fed.link("lost")
        assert "no answer in time" in fed.feed.link.why
        age = fed.feed.store.age
        assert age is not None
        await fed.until(lambda: (fed.feed.store.age or 0) > age)
    finally:
        os.kill(pid, signal.SIGCONT)
    await fed.link("live")
    await fed.samples()
    assert fed.feed.store.hello is not None
    assert fed.feed.store.hello.boot == hello_before.boot
    assert fed.feed.store.seq >= len(fed.feed.store.node_history)


async def test_another_rate_is_a_new_stream_that_knows_what_is_shown(
    feeding: Feeding, place: Locations
):
    fed = feeding(place)
    await fed.link("live")
    store = fed.feed.store
    await fed.until(lambda: bool(store.facts))
    fed.feed.show(Interest(nodes=[store.facts[0].node]))
    await fed.until(lambda: bool(store.details))
    before = store.hello
    fed.feed.set_interval(0.2)
    await fed.until(lambda: store.hello != before)
    store.details.clear()
    await fed.until(lambda: bool(store.details))
    assert fed.feed.link.state == "live"
    assert sum(isinstance(message, LinkChanged) for message in fed.posted) == 1


@pytest.fixture
def answering(place: Locations) -> Iterator[Callable[[bytes, bytes], None]]:
    """Answers at the socket as an agent that says this on a stream, and that as its greeting."""
    listener = socket.socket(socket.AF_UNIX)
    listener.settimeout(0.05)
    over = threading.Event()

    def answer(stream: bytes, greeting: bytes) -> None:
        listener.bind(os.fspath(place.socket))
        listener.listen()
        threading.Thread(target=serve, args=(stream, greeting), daemon=True).start()

    def serve(stream: bytes, greeting: bytes) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                peer, _ = listener.accept()
                with peer:
                    peer.settimeout(5)
                    request = peer.recv(4096)
                    body = greeting if b"/v1/hello" in request else stream
                    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n"
                    peer.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)

    yield answer
    over.set()
    listener.close()


OTHER = b'{"protocol": 7, "version": "9.1", "node": "n", "boot": "b", "stream": "", "interval": 1}'


@pytest.mark.parametrize(
    ("stream", "greeting", "says"),
    [
        (hello(protocol=7).encode(), OTHER, "the agent speaks protocol 7"),
        (b"\x00\x00\x00\x00\x07" + bytes(40), OTHER, "the agent speaks protocol 7"),
        (Frame(Kind.HELLO, b"\x80").encode(), OTHER, "the agent speaks protocol 7"),
        (Frame(Kind.HELLO, b"\x80").encode(), b'{"hi": 1}', "answers /v1/hello oddly"),
    ],
    ids=["its hello", "its frames", "a hello of another form", "another greeting"],
)
async def test_an_agent_of_another_protocol_is_refused_in_one_line(
    feeding: Feeding,
    place: Locations,
    answering: Callable[[bytes, bytes], Awaitable[None]],
    stream: bytes,
    greeting: bytes,
    says: str,
):
    answering(stream, greeting)
    fed = feeding(place)
    await fed.link("refused")
    assert says in fed.feed.link.why
    assert "\n" not in fed.feed.link.why
    assert sum(isinstance(message, LinkChanged) for message in fed.posted) == 1


async def test_no_state_folder_is_said_and_tried_again(
    feeding: Feeding, place: Locations, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(feeds, "RETRY_SECONDS", 0.05)
    place.log.mkdir()
    fed = feeding(place)
    await fed.link("lost")
    assert "cannot start an agent" in fed.feed.link.why
    place.log.rmdir()
    await fed.link("live")
