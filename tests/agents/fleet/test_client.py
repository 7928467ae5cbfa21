"""The client: what it makes of agents that answer oddly, or not at all."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from llmos.agents.errors import AgentIncompatible, AgentUnreachable, FrameError, RequestRefused
from llmos.agents.fleet import client as clients
from llmos.agents.fleet.address import parse, unix
from llmos.agents.fleet.client import Client
from llmos.agents.protocol.facts import PROTOCOL, Hello
from llmos.agents.protocol.frames import Frame, Kind

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[Client]]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Answers every request with a handler; a client to ask it."""
    runners: list[web.AppRunner] = []
    asking: list[Client] = []

    async def start(handler: Handler) -> Client:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runners.append(web.AppRunner(app, shutdown_timeout=0.1))
        await runners[-1].setup()
        await web.UnixSite(runners[-1], os.fspath(tmp_path / "agent.sock")).start()
        asking.append(Client(unix(tmp_path / "agent.sock")))
        return asking[-1]

    yield start
    for each in asking:
        await each.close()
    for runner in runners:
        await runner.cleanup()


def saying(content: object, status: int = 200) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        body = content if isinstance(content, bytes) else msgspec.json.encode(content)
        return web.Response(body=body, status=status)

    return handler


def hello(protocol: int) -> Hello:
    return Hello(protocol=protocol, version="9.9", node="n", boot="b", stream="", interval=1.0)


async def test_an_agent_of_another_protocol(serve: Serve):
    client = await serve(saying(hello(PROTOCOL + 2)))
    with pytest.raises(AgentIncompatible, match=r"llmos 9\.9.*install the same llmos"):
        await client.hello()


async def test_an_agent_one_protocol_apart(serve: Serve):
    client = await serve(saying(hello(PROTOCOL + 1)))
    assert (await client.hello()).version == "9.9"


@pytest.mark.parametrize("content", [b"", b"<html>", {"protocol": 1}, [1]])
async def test_an_answer_of_another_form(serve: Serve, content: object):
    client = await serve(saying(content))
    with pytest.raises(AgentIncompatible, match="answers /v1/hello oddly"):
        await client.hello()


async def test_a_refusal_is_passed_on(serve: Serve):
    client = await serve(saying({"error": "there is no job 7"}, 404))
    with pytest.raises(RequestRefused, match="there is no job 7") as raised:
        await client.job("7")
    assert raised.value.status == 404


@pytest.mark.parametrize("content", [b"Server got itself in trouble", b"{}", b"[1]"])
async def test_a_refusal_without_words_of_ours(serve: Serve, content: bytes):
    client = await serve(saying(content, 500))
    with pytest.raises(RequestRefused, match="GET /v1/jobs: Internal Server Error"):
        await client.jobs()


@pytest.mark.parametrize("name", ["1/stop", "1?x=1", "1#x", "a b", "ü", "%2e"])
async def test_odd_names_stay_one_segment(serve: Serve, name: str):
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.rel_url.raw_path.removeprefix("/v1/jobs/"))
        return web.json_response({"error": "no"}, status=404)

    client = await serve(handler)
    with pytest.raises(RequestRefused):
        await client.job(name)
    assert "/" not in asked[0]


@pytest.mark.parametrize("address", ["unix:/nowhere/agent.sock", "http://127.0.0.1:1"])
async def test_nobody_there(address: str):
    async with Client(parse(address)) as client:
        with pytest.raises(AgentUnreachable, match=f"no agent at {address}: ") as raised:
            await client.jobs()
        assert "\n" not in str(raised.value)


def streaming(*pieces: bytes, then: str = "end") -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        if then == "silence":
            await asyncio.sleep(60)
        if then == "break" and request.transport is not None:
            request.transport.abort()
        return response

    return handler


async def read(client: Client) -> list[Frame]:
    return [frame async for frames in client.stream() for frame in frames]


async def test_a_stream_that_ends_with_the_agent(serve: Serve):
    client = await serve(streaming(Frame(Kind.BEAT, wall=1.0).encode() * 2))
    assert [frame.wall for frame in await read(client)] == [1.0, 1.0]


async def test_a_stream_that_ends_inside_a_frame(serve: Serve):
    client = await serve(streaming(Frame(Kind.BEAT).encode()[:-1]))
    with pytest.raises(FrameError, match="ended inside a frame"):
        await read(client)


async def test_a_stream_that_breaks(serve: Serve):
    client = await serve(streaming(Frame(Kind.BEAT).encode(), then="break"))
    with pytest.raises(AgentUnreachable, match="it ended in the middle of its answer"):
        await read(client)


async def test_a_stream_that_falls_silent(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clients, "SILENCE_SECONDS", 0.2)
    client = await serve(streaming(Frame(Kind.BEAT).encode(), then="silence"))
    with pytest.raises(AgentUnreachable, match="no answer in time"):
        await read(client)


async def test_a_stream_of_nonsense(serve: Serve):
    client = await serve(streaming(b"nonsense " * 10))
    with pytest.raises(FrameError, match="a frame of version"):
        await read(client)
