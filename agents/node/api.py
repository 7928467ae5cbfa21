"""The agent's HTTP interface. One table says which route needs which role and who answers it.

Who asks is known from the socket: on the Unix socket by the peer's credentials; on loopback TCP,
where every user of the host can connect, everybody is a viewer.
"""

import asyncio
import contextlib
import math
import pwd
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from aiohttp import web

from ..errors import LlmosError, RequestRefused
from ..protocol.artifacts import (
    AliasMove,
    ArtifactLine,
    ArtifactVersion,
    Forget,
    parsed_reference,
)
from ..protocol.facts import Interest, JobFacts, SignalRequest
from ..protocol.frames import Frame, Kind
from ..protocol.jobs import JobRequest
from ..protocol.lines import frame_line
from ..records.artifacts import storable
from .agent import Agent
from .prometheus import exposition
from .streams import Stream, of

ROLES: Final = ("viewer", "operator", "admin")
"""Each may do what those before it may."""

INTERVALS: Final = (0.1, 5.0)
"""Seconds between samples that a reader may ask for: 0.2 to 10 a second."""

REQUEST_LIMIT: Final = 4 * 2**20

PROMETHEUS_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"

T = TypeVar("T")
Handler = Callable[[Agent, web.Request], Awaitable[web.StreamResponse]]
AGENT: Final = web.AppKey("agent", Agent)


class Route(NamedTuple):
    """A path, who may ask, and who answers."""

    method: str
    path: str
    role: str
    handler: Handler


async def hello(agent: Agent, request: web.Request) -> web.StreamResponse:
    """Who speaks; the cheapest sign of life."""
    return _json(agent.hello("", agent.pulse.interval))


async def nodes(agent: Agent, request: web.Request) -> web.StreamResponse:
    """Every node: facts and newest figures."""
    return _json([agent.pulse.snapshot()])


async def detail(agent: Agent, request: web.Request) -> web.StreamResponse:
    """Cores, disks, links and processes of one node."""
    agent.require_node(request.match_info["node"])
    return _json(agent.pulse.detail())


async def signal_process(agent: Agent, request: web.Request) -> web.StreamResponse:
    """Send a signal to a process that `detail` lists."""
    agent.require_node(request.match_info["node"])
    asked = await _body(request, SignalRequest)
    agent.signal(_number(request.match_info["pid"], "pid"), asked)
    return web.Response(status=204)


async def metrics(agent: Agent, request: web.Request) -> web.StreamResponse:
    """The figures as Prometheus text."""
    dcgm = agent.dcgm_names or request.query.get("names") == "dcgm"
    text = exposition(agent.pulse.facts, agent.pulse.reading, dcgm=dcgm)
    return web.Response(body=text.encode(), headers={"Content-Type": PROMETHEUS_TEXT})


async def events(agent: Agent, request: web.Request) -> web.StreamResponse:
    """What happened, newest last."""
    return _json(agent.events(_number(request.query.get("last", "100"), "last")))


async def submit(agent: Agent, request: web.Request) -> web.StreamResponse:
    """Take a job."""
    asked = await _body(request, JobRequest)
    return _json(await agent.supervisor.submit(asked, user=request["user"]), status=201)


async def jobs(agent: Agent, request: web.Request) -> web.StreamResponse:
    """Every job, newest first."""
    return _json(agent.supervisor.list())


async def job(agent: Agent, request: web.Request) -> web.StreamResponse:
    """All that is known of one job; its environment is for those who may change it."""
    record = agent.supervisor.get(request.match_info["job"])
    if request["role"] == "viewer":
        asked = record.request
        program = msgspec.structs.replace(asked.program, environment={})
        spec = {name: value for name, value in asked.spec.items() if name != "environment"}
        record.request = msgspec.structs.replace(asked, program=program, spec=spec)
    return _json(record)


async def stop(agent: Agent, request: web.Request) -> web.StreamResponse:
    """Ask a job to end."""
    return _json(await agent.supervisor.stop(request.match_info["job"]))


async def restart(agent: Agent, request: web.Request) -> web.StreamResponse:
    """A new attempt of a running job, or a new job like an ended one."""
    return _json(await agent.supervisor.restart(request.match_info["job"]))


async def hold(agent: Agent, request: web.Request) -> web.StreamResponse:
    """Let a job that waits wait on."""
    return _json(await agent.supervisor.hold(request.match_info["job"]))


async def release(agent: Agent, request: web.Request) -> web.StreamResponse:
    """Let a held job start when its turn comes."""
    return _json(await agent.supervisor.release(request.match_info["job"]))


async def stacks(agent: Agent, request: web.Request) -> web.StreamResponse:
    """What each rank of a job does right now."""
    return _json(await agent.supervisor.stacks(request.match_info["job"]))


async def bundle(agent: Agent, request: web.Request) -> web.StreamResponse:
    """All that is known of a job as one archive, packed while it is sent."""
    pieces = await agent.bundle(request.match_info["job"])
    response = web.StreamResponse()
    response.content_type = "application/gzip"
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):  # the reader has gone
        while piece := await asyncio.to_thread(next, pieces, b""):
            await response.write(piece)
    return response


async def series(agent: Agent, request: web.Request) -> web.StreamResponse:
    """A job's curves, thinned to a number of points: of a rank, or of all with `rank=all`.

    Of all ranks only one figure at a time, called `name`: every figure of many ranks takes seconds.
    """
    query = request.query
    points = _number(query.get("points", "500"), "points")
    rank = None if query.get("rank") == "all" else _number(query.get("rank", "0"), "rank")
    if rank is None and "name" not in query:
        raise RequestRefused("name: expected a figure beside rank=all, as rank=all&name=dt")
    job = request.match_info["job"]
    return _json(await agent.supervisor.series(job, points, rank, query.get("name")))


async def lines(agent: Agent, request: web.Request) -> web.StreamResponse:
    """What a job's ranks printed, by time."""
    query = request.query
    ranks = [_number(word, "ranks") for word in query.get("ranks", "").split(",") if word]
    search = query.get("search")
    if search and search.startswith("/") and request["role"] == "viewer":
        # A pattern can be made to take for ever.
        raise RequestRefused("viewers search for plain text; leave out the first /", status=403)
    return _json(
        await agent.supervisor.lines(
            request.match_info["job"],
            lines=_number(query.get("lines", "200"), "lines"),
            ranks=ranks or None,
            search=search,
            before=_time(query.get("before"), "before"),
            after=_time(query.get("after"), "after"),
            fold=query.get("fold", "1") != "0",
            ends=_ends(query.get("ends")),
        )
    )


async def logs(agent: Agent, request: web.Request) -> web.StreamResponse:
    """What a job's ranks printed: the last lines, or from an offset on."""
    query = request.query
    return _json(
        agent.supervisor.logs(
            request.match_info["job"],
            rank=_number(query["rank"], "rank") if "rank" in query else None,
            offset=_number(query["offset"], "offset") if "offset" in query else None,
            lines=_number(query.get("lines", "200"), "lines"),
        )
    )


async def artifacts(agent: Agent, request: web.Request) -> web.StreamResponse:
    """The newest versions of artifacts, newest first: of all, or of one name."""
    return _json(agent.artifacts.versions(request.query.get("name")))


async def artifact(agent: Agent, request: web.Request) -> web.StreamResponse:
    """The version of an artifact that a reference names."""
    return _json(_artifact(agent, request.match_info["ref"]))


async def lineage(agent: Agent, request: web.Request) -> web.StreamResponse:
    """What an artifact came from, and what came from it."""
    found = _artifact(agent, request.match_info["ref"])
    return _json(agent.artifacts.lineage(found.digest))


async def import_artifact(agent: Agent, request: web.Request) -> web.StreamResponse:
    """Register what a person has put into a store."""
    asked = await _body(request, ArtifactLine)
    try:
        line = storable(asked)
    except ValueError as error:
        raise RequestRefused(f"the request's body is off: {error}") from error
    registered = agent.artifacts.register(line, None, request["user"], time.time())
    return _json(registered, status=201)


async def unneeded_artifacts(agent: Agent, _request: web.Request) -> web.StreamResponse:
    """What could be forgotten, and all that is kept."""
    return _json(agent.unneeded_artifacts())


async def forget_artifacts(agent: Agent, request: web.Request) -> web.StreamResponse:
    """Forget versions, as far as they are still unneeded; what is kept then."""
    asked = await _body(request, Forget)
    going = {one.digest for one in agent.unneeded_artifacts().versions} & set(asked.digests)
    agent.artifacts.forget(going)
    return _json(agent.unneeded_artifacts())


async def move_alias(agent: Agent, request: web.Request) -> web.StreamResponse:
    """Let an alias point to another version, if it points where the asker thinks."""
    name, alias = request.match_info["name"], request.match_info["alias"]
    asked = await _body(request, AliasMove)
    try:
        parsed_reference(f"{name}@{alias}")
    except ValueError as error:
        raise RequestRefused(str(error)) from error
    agent.artifacts.move_alias(name, alias, asked)
    return web.Response(status=204)


async def interest(agent: Agent, request: web.Request) -> web.StreamResponse:
    """Say what the reader of a stream shows."""
    stream = agent.streams.get(request.match_info["stream"])
    if stream is None:
        raise RequestRefused("no such stream; open GET /v1/stream first", status=404)
    stream.interest = await _body(request, Interest)
    agent.interest_changed()
    return web.Response(status=204)


async def stream(agent: Agent, request: web.Request) -> web.StreamResponse:
    """Frames for as long as the reader stays, or the same as JSON lines."""
    interval = _interval(request.query.get("interval", "1"))
    as_json = request.query.get("format") == "json"
    boot, _, seq = request.query.get("since", "").partition(":")
    response = web.StreamResponse()
    response.content_type = "application/jsonl" if as_json else "application/octet-stream"
    await response.prepare(request)
    form = frame_line if as_json else Frame.encode
    opened = agent.streams.open(interval)
    frames = _welcome(agent, opened, boot, seq)
    try:
        while frames:
            await response.write(b"".join(map(form, frames)))
            frames = await opened.take()
            if opened.behind:
                opened.behind = False
                frames = [*_present(agent), *frames]
    except ConnectionError:
        pass  # the reader has gone
    finally:
        agent.streams.close(opened)
        agent.interest_changed()
    return response


ROUTES: Final = (
    Route("GET", "/v1/hello", "viewer", hello),
    Route("GET", "/v1/nodes", "viewer", nodes),
    Route("GET", "/v1/nodes/{node}/detail", "viewer", detail),
    Route("POST", "/v1/nodes/{node}/processes/{pid}/signal", "operator", signal_process),
    Route("GET", "/v1/stream", "viewer", stream),
    Route("PUT", "/v1/streams/{stream}/interest", "viewer", interest),
    Route("GET", "/v1/events", "viewer", events),
    Route("GET", "/v1/jobs", "viewer", jobs),
    Route("POST", "/v1/jobs", "operator", submit),
    Route("GET", "/v1/jobs/{job}", "viewer", job),
    Route("POST", "/v1/jobs/{job}/stop", "operator", stop),
    Route("POST", "/v1/jobs/{job}/restart", "operator", restart),
    Route("POST", "/v1/jobs/{job}/hold", "operator", hold),
    Route("POST", "/v1/jobs/{job}/release", "operator", release),
    Route("POST", "/v1/jobs/{job}/stacks", "operator", stacks),
    Route("POST", "/v1/jobs/{job}/bundle", "operator", bundle),
    Route("GET", "/v1/jobs/{job}/series", "viewer", series),
    Route("GET", "/v1/jobs/{job}/logs", "viewer", logs),
    Route("GET", "/v1/jobs/{job}/lines", "viewer", lines),
    Route("GET", "/v1/artifacts", "viewer", artifacts),
    Route("POST", "/v1/artifacts", "operator", import_artifact),
    Route("GET", "/v1/unneeded-artifacts", "viewer", unneeded_artifacts),
    Route("POST", "/v1/unneeded-artifacts", "admin", forget_artifacts),
    Route("GET", "/v1/artifacts/{ref}", "viewer", artifact),
    Route("GET", "/v1/artifacts/{ref}/lineage", "viewer", lineage),
    Route("PUT", "/v1/artifacts/{name}/aliases/{alias}", "operator", move_alias),
    Route("GET", "/metrics", "viewer", metrics),
)


def application(agent: Agent) -> web.Application:
    """The routes, behind one check of roles and one form of errors."""
    app = web.Application(middlewares=[_errors], client_max_size=REQUEST_LIMIT)
    app[AGENT] = agent
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _bound(route))
    return app


def _bound(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        user, role = _peer(request)
        if ROLES.index(role) < ROLES.index(route.role):
            raise RequestRefused(
                f"{route.path} needs the role {route.role}; this connection is a {role}: "
                "use the agent's Unix socket as its owner",
                status=403,
            )
        request["user"], request["role"] = user, role
        agent = request.app[AGENT]
        agent.touch()
        return await route.handler(agent, request)

    return answer


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Our errors as `{"error": "one line"}`; what is no error of ours is one line, too."""
    try:
        return await handler(request)
    except RequestRefused as error:
        return _refusal(str(error), error.status)
    except LlmosError as error:
        return _refusal(str(error), 500)
    except web.HTTPException as error:
        return _refusal(f"{request.method} {request.path}: {error.reason}", error.status)


def _peer(request: web.Request) -> tuple[str, str]:
    """The user's name and role at the other end."""
    connection = request.get_extra_info("socket")
    if connection is None or connection.family != socket.AF_UNIX:
        return "someone on loopback", "viewer"
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(credentials)
    return _user_name(uid), "admin"


_CREDENTIALS: Final = struct.Struct("3i")


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _welcome(agent: Agent, stream: Stream, boot: str, seq: str) -> list[Frame]:
    """What a reader must know before the first sample, and what it missed."""
    hello = of(Kind.HELLO, agent.hello(stream.name, stream.interval))
    known = boot == agent.boot and seq.isascii() and seq.isdecimal() and len(seq) < 16
    return [hello, *_present(agent), *agent.streams.since(int(seq) if known else 0)]


def _present(agent: Agent) -> list[Frame]:
    """The facts as they are now."""
    jobs = [of(Kind.FACTS, JobFacts(job=job)) for job in reversed(agent.supervisor.list())]
    return [of(Kind.FACTS, agent.pulse.facts), *jobs]


def _artifact(agent: Agent, text: str) -> ArtifactVersion:
    try:
        reference = parsed_reference(text)
    except ValueError as error:
        raise RequestRefused(str(error)) from error
    found = agent.artifacts.find(reference)
    if found is None:
        raise RequestRefused(f"there is no artifact {text}; `llmos artifacts` lists them", 404)
    return found


async def _body(request: web.Request, form: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=form)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestRefused(f"the request's body is off: {error}") from error


def _refusal(message: str, status: int) -> web.Response:
    """One line, also where a path that was asked for has line breaks in it."""
    return _json({"error": " ".join(message.split())}, status)


def _json(content: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(content), status=status, content_type="application/json"
    )


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise RequestRefused(f"{name}: expected a whole number, got {text[:40]!r}")
    return int(text)


def _ends(text: str | None) -> dict[int, int] | None:
    """Offsets by rank, as "0:123,1:456"."""
    if text is None:
        return None
    pairs = (word.partition(":") for word in text.split(",") if word)
    return {_number(rank, "ends"): _number(end, "ends") for rank, _, end in pairs}


def _time(text: str | None, name: str) -> float | None:
    try:
        moment = None if text is None else float(text)
    except ValueError:
        moment = math.nan
    if moment is not None and not math.isfinite(moment):
        raise RequestRefused(f"{name}: expected seconds since 1970, got {(text or '')[:40]!r}")
    return moment


def _interval(text: str) -> float:
    shortest, longest = INTERVALS
    try:
        interval = float(text)
    except ValueError:
        interval = 0.0
    if not shortest <= interval <= longest:
        raise RequestRefused(
            f"interval: expected {shortest} to {longest} seconds, got {text[:40]!r}"
        )
    return interval
