"""The agent's HTTP interface, asked over its socket and over loopback TCP."""

import gzip
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmos.agents.node.api import INTERVALS, REQUEST_LIMIT, ROUTES
from llmos.agents.protocol.facts import Detail, Hello
from llmos.agents.protocol.frames import Kind
from llmos.tests.agents.running import Answer, RunningAgent

SHARED = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


SETS = ("/v1/streams/{stream}/interest", "/v1/artifacts/{name}/aliases/{alias}")
"""What is set to a value and not done once more each time."""

JOB = b'{"kind": "c", "name": "n", "program": {"arguments": ["-V"]}, "resources": %s}'


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[RunningAgent]:
    state = tmp_path_factory.mktemp("api")
    running = RunningAgent(state, ("--listen", f"127.0.0.1:{port}")).ready()
    yield running
    running.signal(15)
    status, printed = running.ended()
    assert (status, printed) == (0, ""), "an error of ours was printed"


def filled_in(path: str) -> str:
    values = {"node": "self", "pid": "1", "job": "999", "stream": "none"}
    values |= {"ref": "none@1", "name": "none", "alias": "best"}
    for name, value in values.items():
        path = path.replace("{" + name + "}", value)
    return path


def asked(agent: RunningAgent, method: str, path: str, port: int | None = None) -> Answer:
    if path == "/v1/stream":
        stream = agent.connection(port)
        stream.request(method, path)
        response = stream.getresponse()
        answer = Answer(response.status, dict(response.headers), response.read1(100))
        stream.close()
        return answer
    return agent.ask(method, path, port=port)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_asks_for_its_role(agent: RunningAgent, port: int, route):
    path = filled_in(route.path)
    owner, stranger = (asked(agent, route.method, path, port) for port in (None, port))
    assert owner.status not in (403, 405, 500)
    if route.role == "viewer":
        assert stranger.status == owner.status
    else:
        assert stranger.status == 403
        assert "use the agent's Unix socket as its owner" in stranger.refusal


def test_what_changes_something_is_no_route_of_viewers():
    for route in ROUTES:
        assert route.role == "viewer" or route.method in ("POST", "PUT")
        assert route.method in ("GET", "POST") or route.path in SETS


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/../metrics/x", 404),
        ("GET", "//v1/hello", 404),
        ("GET", "/v1/jobs/..%2f..%2fetc%2fpasswd", 404),
        ("GET", "/v1/jobs/%2e%2e/logs", 404),
        ("GET", "/v1/jobs/1%00/logs", 404),
        ("GET", "/v1/jobs/line%0Abreak", 404),
        ("GET", "/v1/no%0D%0Asuch", 404),
        ("GET", "/v1/jobs/-1", 404),
        ("GET", "/v1/jobs/" + "9" * 400, 404),
        ("GET", "/v1/jobs/1e3/series", 404),
        ("GET", "/v1/jobs/1/series?points=many", 400),
        ("GET", "/v1/jobs/1/series?points=-1", 400),
        ("GET", "/v1/jobs/1/series?rank=1.5", 400),
        ("GET", "/v1/jobs/1/logs?offset=0x10", 400),
        ("GET", "/v1/jobs/1/logs?lines=" + "9" * 4000, 400),
        ("GET", "/v1/jobs/1/logs?rank=%C2%B2", 400),
        ("GET", "/v1/events?last=%0A", 400),
        ("GET", "/v1/nodes/another/detail", 404),
        ("GET", "/v1/nodes/line%0Abreak/detail", 404),
        ("GET", "/v1/stream?interval=0", 400),
        ("GET", "/v1/stream?interval=nan", 400),
        ("GET", "/v1/stream?interval=-inf", 400),
        ("GET", "/v1/stream?interval=fast", 400),
        ("GET", "/v1/stream?interval=0.09", 400),
        ("GET", "/v1/stream?interval=5.1", 400),
        ("PUT", "/v1/streams/1/interest", 404),
        ("GET", "/v1/artifacts/none", 404),
        ("GET", "/v1/artifacts/none@9%0A", 400),
        ("GET", "/v1/artifacts/..%2fx", 400),
        ("GET", "/v1/artifacts/none@1/lineage", 404),
        ("GET", "/v1/artifacts/sha256:" + "0" * 64, 404),
        ("PUT", "/v1/artifacts/none/aliases/7", 400),
        ("PUT", "/v1/artifacts/none/aliases/a%20b", 400),
        ("POST", "/v1/artifacts", 400),
        ("DELETE", "/v1/jobs/1", 405),
        ("PATCH", "/metrics", 405),
        ("POST", "/v1/nodes/self/processes/x/signal", 400),
    ],
)
def test_what_is_off_is_refused_in_one_line(
    agent: RunningAgent, method: str, path: str, status: int
):
    answer = agent.ask(method, path, b'{"started": 1}' if method == "POST" else None)
    assert answer.refusal
    assert answer.status == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"kind": 3}',
        b'{"kind": "command", "name": "n"}',
        b'{"kind": "command", "name": "n", "program": {"arguments": "ls"}}',
        JOB % b'{"gpus": -1}',
        JOB % b'{"gpu": 1}',
        JOB % b'{"ranks": 1000000000}',
        JOB % b'{"ranks": 1.5}',
        JOB % b'{"nodes": 9}',
        b'{"spec":' + b"[" * 100_000,
        b'{"kind": "c", "name": "n", "program": {"arguments": []}, "spec": {"a": 1e999}}',
    ],
    ids=range(15),
)
def test_a_job_that_is_off_is_refused_in_one_line_and_not_kept(agent: RunningAgent, body: bytes):
    answer = agent.ask("POST", "/v1/jobs", body)
    assert answer.refusal
    assert 400 <= answer.status < 500
    assert agent.ask("GET", "/v1/jobs").json == []


def test_a_body_that_is_too_big_is_refused(agent: RunningAgent):
    answer = agent.ask("POST", "/v1/jobs", b" " * (REQUEST_LIMIT + 1))
    assert (answer.status, bool(answer.refusal)) == (413, True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"signal": 9}', 400),
        (b'{"started": 1, "signal": 1e400}', 400),
        (b'{"started": 1, "signal": 15.5}', 400),
        (b'{"started": null}', 400),
        (b'{"started": 1, "signal": 19}', 400),
        (b'{"started": 1, "number": 9}', 400),
        (b'{"started": 1, "signal": 9}', 404),
    ],
)
def test_a_process_that_is_not_listed_gets_no_signal(agent: RunningAgent, body: bytes, status: int):
    path = f"/v1/nodes/self/processes/{os.getpid()}/signal"
    answer = agent.ask("POST", path, body)
    assert (answer.status, bool(answer.refusal)) == (status, True)


@SHARED
@given(
    st.sampled_from(ROUTES),
    st.text(max_size=20),
    st.sampled_from(["points", "rank", "lines", "offset", "last", "interval", "names", "since"]),
    st.text(max_size=10),
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=5,
    ).map(lambda value: json.dumps(value).encode()),
)
def test_nothing_that_is_asked_is_an_error_of_ours(
    agent: RunningAgent, route, name, key, value, body
):
    path = route.path
    for part in ("node", "pid", "job", "stream"):
        path = path.replace("{" + part + "}", quote(name, safe="") or "x")
    if route.path == "/v1/stream":
        path, key, value = "/v1/stream", "interval", "x" + value
    answer = agent.ask(route.method, f"{path}?{key}={quote(value)}", body)
    assert answer.status < 500
    if answer.status >= 400:
        assert answer.refusal


def test_bytes_that_are_no_request_disturb_nobody(agent: RunningAgent):
    for nonsense in (b"\x00\xff\xfe\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b""):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(20)
            peer.connect(os.fspath(agent.socket))
            peer.sendall(nonsense)
            peer.shutdown(socket.SHUT_WR)
            assert b" 500 " not in peer.recv(1000)
    assert agent.answers()


def test_who_speaks(agent: RunningAgent):
    said = msgspec.json.decode(agent.ask("GET", "/v1/hello").body, type=Hello)
    assert said.node == (agent.state / "node-id").read_text().strip()
    assert said.interval == 1.0


def test_this_node_closely_by_its_id_and_as_self(agent: RunningAgent):
    for name in ("self", agent.node()["node"]):
        answer = agent.ask("GET", f"/v1/nodes/{name}/detail")
        detail = msgspec.json.decode(answer.body, type=Detail)
        assert len(detail.load) == 3


def test_metrics_under_either_name(agent: RunningAgent):
    ours = agent.ask("GET", "/metrics")
    assert ours.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"\nllmos_up 1\n" in ours.body
    assert b"llmos" not in agent.ask("GET", "/metrics?names=dcgm").body


@pytest.mark.parametrize("interval", INTERVALS)
def test_the_longest_and_the_shortest_interval(agent: RunningAgent, interval: float):
    stream = agent.stream(f"interval={interval}")
    hello = stream.until(lambda frame: frame.kind == Kind.HELLO)
    assert msgspec.msgpack.decode(hello.payload, type=Hello).interval == interval
    stream.until(lambda frame: frame.kind == Kind.BEAT)
    stream.close()


def test_secrets_of_a_spec_are_in_its_own_folder_alone(agent: RunningAgent, port: int):
    variables = {"HF_TOKEN": "sesame-open", "COLOUR": "blue"}
    asked = {
        "kind": "command",
        "name": "n",
        "hold": True,
        "program": {"arguments": ["-V"]},
        "spec": {"kind": "command", "environment": {"variables": variables}},
    }
    job = agent.ask("POST", "/v1/jobs", json.dumps(asked).encode()).json["id"]
    told = agent.ask("GET", f"/v1/jobs/{job}").json["request"]["spec"]["environment"]
    assert told == {"variables": {"HF_TOKEN": "(not stored)", "COLOUR": "blue"}}
    stranger = agent.ask("GET", f"/v1/jobs/{job}", port=port).json["request"]
    assert stranger["spec"] == {"kind": "command"}
    bundle = gzip.decompress(agent.ask("POST", f"/v1/jobs/{job}/bundle").body)
    assert b"COLOUR" in bundle
    assert b"sesame-open" not in bundle
    holding = [
        path.relative_to(agent.state)
        for path in agent.state.rglob("*")
        if path.is_file() and b"sesame-open" in path.read_bytes()
    ]
    assert holding == [Path("run", job, "request.json")]
    assert agent.ask("POST", f"/v1/jobs/{job}/stop").status == 200


def test_all_ranks_are_asked_for_one_figure(agent: RunningAgent):
    answer = agent.ask("GET", "/v1/jobs/1/series?rank=all")
    assert (answer.status, answer.refusal) == (
        400,
        "name: expected a figure beside rank=all, as rank=all&name=dt",
    )
    assert agent.ask("GET", "/v1/jobs/999/series?rank=all&name=dt").status == 404


def test_an_artifact_is_imported_once_and_its_alias_moved_by_who_knows_where_it_points(
    agent: RunningAgent,
):
    line = {"name": "imported", "kind": "model", "digest": f"sha256:{'1' * 64}", "uri": "file:///a"}
    first, again = (
        agent.ask("POST", "/v1/artifacts", json.dumps(line | {"size": size}).encode())
        for size in (5, 6)
    )
    assert (first.status, first.json["version"], first.json["job"]) == (201, 1, None)
    assert again.json == first.json
    bad = agent.ask("POST", "/v1/artifacts", json.dumps(line | {"size": -1}).encode())
    assert (bad.status, "whole numbers" in bad.refusal) == (400, True)
    path = "/v1/artifacts/imported/aliases/best"
    moved, late = (agent.ask("PUT", path, b'{"version": 1}') for _ in range(2))
    assert (moved.status, late.status) == (204, 409)
    assert "imported@best points to version 1 by now, not to no version" in late.refusal
    assert agent.ask("GET", "/v1/artifacts/imported@best").json["aliases"] == ["best"]
    (listed,) = agent.ask("GET", "/v1/artifacts?name=imported").json
    assert listed["digest"] == line["digest"]
