"""The agent as a process: how it starts, what it survives, how it ends."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from llmos.agents import daemon
from llmos.agents.errors import StateFolderError
from llmos.agents.node.agent import stored_node_id
from llmos.agents.protocol.events import Event
from llmos.agents.protocol.facts import Detail, Gap, Hello
from llmos.agents.protocol.fields import GPU_STATES, Value
from llmos.agents.protocol.frames import Frame, Kind
from llmos.agents.protocol.samples import unpack_sample
from llmos.agents.records.database import NAME
from llmos.tests.agents.mounts import fill, small_disk
from llmos.tests.agents.running import RunningAgent, Stream, until
from llmos.tests.nvml.standin import Standin

Start = Callable[..., RunningAgent]


def of(kind: Kind) -> Callable[[Frame], bool]:
    return lambda frame: frame.kind == kind


def hello(stream: Stream) -> Hello:
    return msgspec.msgpack.decode(stream.until(of(Kind.HELLO)).payload, type=Hello)


def show(agent: RunningAgent, stream: str, **interest: list[str]) -> None:
    body = msgspec.json.encode(interest)
    assert agent.ask("PUT", f"/v1/streams/{stream}/interest", body).status == 204


# How it starts


def test_only_its_user_can_reach_it(agents: Start):
    agent = agents().ready()
    assert agent.socket.stat().st_mode & 0o777 == 0o600
    assert agent.state.stat().st_mode & 0o777 == 0o700
    assert (agent.state / NAME).stat().st_mode & 0o777 == 0o600


def test_a_socket_left_behind_is_replaced(agents: Start):
    dead = agents().ready()
    dead.signal(signal.SIGKILL)
    assert dead.ended()[0] == -signal.SIGKILL
    assert dead.socket.exists()
    node = dead.state.joinpath("node-id").read_text()
    assert agents().ready().node()["node"] == node.strip()


def test_two_starts_at_once_end_with_one(agents: Start):
    pair = [agents("--detached") for _ in range(2)]
    until(lambda: any(agent.process.poll() is not None for agent in pair))
    (second,) = (agent for agent in pair if agent.process.poll() is not None)
    assert second.ended() == (0, "")
    (first,) = (agent for agent in pair if agent.process.poll() is None)
    first.ready()
    assert first.process.poll() is None


def test_a_second_one_by_hand_is_told_of_the_first(agents: Start):
    first = agents().ready()
    status, printed = agents().ended()
    assert (status, printed) == (0, f"an agent of yours already runs: {first.socket}\n")
    assert first.answers()


def test_a_start_while_another_ends_takes_over(agents: Start):
    first = agents().ready()
    first.signal(signal.SIGSTOP)
    first.socket.unlink()
    second = agents("--detached")
    first.signal(signal.SIGKILL)
    first.signal(signal.SIGCONT)
    first.process.wait()
    second.ready()


def test_an_agent_with_another_state_at_the_same_socket_is_left_alone(
    agents: Start, tmp_path: Path
):
    environment = {"XDG_RUNTIME_DIR": str(tmp_path), "LLMOS_STATE": ""}
    first = usual_agent(environment | {"XDG_STATE_HOME": str(tmp_path / "a")})
    socket_path = tmp_path / "llmos" / "agent.sock"
    until(socket_path.exists, first)
    second = usual_agent(environment | {"XDG_STATE_HOME": str(tmp_path / "b")})
    printed, _ = second.communicate(timeout=30)
    assert second.returncode == 1
    assert "an agent with another state folder listens" in printed
    assert len(printed.splitlines()) == 1
    assert socket_path.exists()
    first.terminate()
    first.communicate(timeout=30)
    assert not socket_path.exists()


def usual_agent(environment: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "llmos.agents.daemon"],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# What it refuses


def refused(capsys: pytest.CaptureFixture[str], *options: str, status: int = 1) -> str:
    """The one line with which an agent does not start."""
    assert daemon.main(list(options)) == status
    printed = capsys.readouterr()
    assert (printed.out, len(printed.err.splitlines())) == ("", 1), printed
    return printed.err


def test_a_state_folder_that_is_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    (tmp_path / "state").write_text("")
    assert "cannot write the state folder" in refused(capsys, "--state", str(tmp_path / "state"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    yield from small_disk(tmp_path / "disk")


def test_a_full_disk(capsys: pytest.CaptureFixture[str], disk: Path):
    fill(disk)
    assert "No space left on device; free space" in refused(capsys, "--state", str(disk))


def test_a_disk_that_fills_up_while_it_runs_does_not_end_it(agents: Start, disk: Path):
    standin = Standin.create(disk.parent / "nvml", gpus=1)
    agent = agents(state=disk, environment=standin.environment()).ready()
    until(lambda: bool(agent.node()["gpus"]))
    fill(disk)
    stream = agent.stream()
    stream.until(of(Kind.SAMPLE))
    standin.xid(0, 79)
    event = stream.until(of(Kind.EVENT))
    assert msgspec.msgpack.decode(event.payload, type=Event).number == 79
    stream.close()
    agent.signal(signal.SIGTERM)
    assert agent.ended()[0] == 0


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_a_folder_that_is_not_ours_to_write(tmp_path: Path):
    if os.getuid() != 0:
        pytest.skip("becoming another user takes root")
    command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    command += [sys.executable, "-m", "llmos.agents.daemon", "--state", "/root/llmos-test"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    if "No module named" in done.stderr or "Permission denied: " in done.stderr:
        pytest.skip("this interpreter is not for everybody")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "cannot write the state folder /root/llmos-test: Permission denied" in done.stderr


@pytest.mark.parametrize(
    ("listen", "says"),
    [
        ("0.0.0.0:9400", "only loopback, as 127.0.0.1:9400"),
        ("example.org:80", "only loopback"),
        ("[::]:80", "only loopback"),
        ("127.0.0.1", "expected HOST:PORT"),
        ("127.0.0.1:http", "expected HOST:PORT"),
        ("127.0.0.1:70000", "expected HOST:PORT"),
    ],
)
def test_listening_to_the_world_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, listen: str, says: str
):
    assert says in refused(capsys, "--state", str(tmp_path), "--listen", listen, status=2)
    assert not (tmp_path / NAME).exists()
    assert not (tmp_path / "agent.sock").exists()


def test_a_port_that_is_taken(agents: Start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        agent = agents("--listen", f"127.0.0.1:{taken.getsockname()[1]}")
        status, printed = agent.ended()
    assert (status, len(printed.splitlines())) == (2, 1)
    assert "Address already in use; choose another port" in printed
    assert not agent.socket.exists()


# What it mends


def test_a_corrupt_database_is_moved_aside_and_said(agents: Start, tmp_path: Path):
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / NAME).write_bytes(b"no database at all" * 1000)
    agent = agents().ready()
    (event,) = agent.ask("GET", "/v1/events").json
    (moved,) = state.glob("records.corrupt-*.sqlite")
    assert (event["what"], event["severity"]) == ("database moved aside", "error")
    assert str(moved) in event["text"]
    assert event["node"] == agent.node()["node"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"../../etc", b"two words\n"])
def test_a_damaged_node_id_is_made_anew(tmp_path: Path, content: bytes):
    path = tmp_path / "node-id"
    path.write_bytes(content)
    made = stored_node_id(path)
    assert made.isalnum()
    assert (stored_node_id(path), path.read_text()) == (made, f"{made}\n")
    assert list(tmp_path.iterdir()) == [path]


def test_a_node_id_that_cannot_be_stored_is_one_line(tmp_path: Path):
    with pytest.raises(StateFolderError, match=r"cannot write .*node-id"):
        stored_node_id(tmp_path / "missing" / "node-id")


# How it ends


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_ends_at_once_with_streams_open(agents: Start, number: signal.Signals):
    agent = agents().ready()
    streams = [agent.stream() for _ in range(3)]
    never_reads = agent.stream("interval=0.1&format=json")
    for stream in streams:
        stream.until(of(Kind.SAMPLE))
    agent.signal(number)
    agent.signal(number)
    assert agent.ended() == (0, "")
    assert not agent.socket.exists()
    for stream in streams:
        assert [frame for frame in stream if frame.kind == Kind.GAP] == []
    never_reads.close()


def test_a_hangup_is_no_reason_to_end(agents: Start):
    agent = agents().ready()
    stream = agent.stream()
    for _ in range(2):
        agent.signal(signal.SIGHUP)
        stream.until(of(Kind.SAMPLE))
    assert agent.answers()


def test_told_to_end_while_it_starts_it_leaves_nothing_broken(agents: Start):
    for pause in (0.1, 0.3):
        agent = agents()
        time.sleep(pause)
        agent.signal(signal.SIGTERM)
        assert agent.ended()[1] == ""
    agents().ready()


def test_an_idle_one_ends(agents: Start):
    agent = agents("--detached", "--idle", "0.2")
    assert agent.ended() == (0, "")
    assert not agent.socket.exists()


def test_one_with_a_reader_is_not_idle_and_a_reader_that_was_killed_is_none(
    agents: Start, tmp_path: Path
):
    agent = agents("--detached", "--idle", "0.5").ready()
    url = f"curl -sN --unix-socket {agent.socket} http://agent/v1/stream?format=json"
    reader = subprocess.Popen(url.split(), stdout=subprocess.PIPE)
    assert reader.stdout is not None
    beats = 0
    while beats < 4:
        beats += b'"beat"' in reader.stdout.readline()
    assert agent.process.poll() is None
    reader.kill()
    reader.wait()
    reader.stdout.close()
    assert agent.ended() == (0, "")


# Its streams


LOUD = """
import time
for _ in range(900):
    print("x" * 65535)
    time.sleep(0.002)
"""
"""Prints 60 MB, and so long that samples come in between."""


def test_a_slow_reader_holds_up_nobody_and_is_told_what_it_missed(agents: Start, tmp_path: Path):
    agent = agents().ready()
    slow, quick = agent.stream(), agent.stream()
    show(agent, hello(slow).stream, logs=["1"])
    script = tmp_path / "loud.py"
    script.write_text(LOUD)
    program = {"arguments": [str(script)], "launcher": "plain"}
    job = msgspec.json.encode({"kind": "command", "name": "loud", "program": program})
    assert agent.ask("POST", "/v1/jobs", job).status == 201
    quick.until(lambda frame: states(frame) == "succeeded")
    slow.until(of(Kind.GAP))
    slow.until(lambda frame: states(frame) == "succeeded")
    slow.until(of(Kind.SAMPLE))


def states(frame: Frame) -> str | None:
    """The state of a job, where the frame is of one."""
    facts = msgspec.msgpack.decode(frame.payload) if frame.kind == Kind.FACTS else {}
    return facts["job"]["state"] if facts.get("what") == "job" else None


def test_a_returning_reader_is_filled_up(agents: Start):
    agent = agents().ready()
    stream = agent.stream()
    boot = hello(stream).boot
    seen = stream.until(lambda frame: frame.seq >= 5).seq
    stream.close()
    again = agent.stream(f"interval=0.1&since={boot}:{seen}")
    assert again.until(of(Kind.SAMPLE)).seq == seen + 1
    again.close()
    for odd in (f"other:{seen}", f"{boot}:{'9' * 5000}", f"{boot}:-1", "%00", f"{boot}:%C2%B2"):
        anew = agent.stream(f"interval=0.1&since={odd}")
        assert anew.until(of(Kind.SAMPLE)).seq == 1
        anew.close()


def test_detail_goes_to_who_asks(agents: Start):
    agent = agents().ready()
    asking, other = agent.stream(), agent.stream()
    show(agent, hello(asking).stream, nodes=[agent.node()["node"]])
    detail = asking.until(of(Kind.DETAIL))
    assert len(msgspec.msgpack.decode(detail.payload, type=Detail).load) == 3
    for _ in range(5):
        frame = other.until(lambda frame: frame.kind in (Kind.SAMPLE, Kind.DETAIL))
        assert frame.kind == Kind.SAMPLE


def test_the_stream_as_lines_of_json(agents: Start):
    agent = agents().ready()
    connection = agent.connection()
    connection.request("GET", "/v1/stream?format=json&interval=0.1")
    response = connection.getresponse()
    assert response.headers["Content-Type"] == "application/jsonl"
    lines = [msgspec.json.decode(response.readline()) for _ in range(6)]
    connection.close()
    assert [line["what"] for line in lines[:2]] == ["hello", "facts"]
    assert any(line["what"] == "sample" and line["nodes"] for line in lines)


def test_many_readers_come_and_go(agents: Start):
    agent = agents("--detached", "--idle", "0.5").ready()
    for _ in range(10):
        streams = [agent.stream("interval=5") for _ in range(10)]
        for stream in streams:
            stream.close()
    assert agent.ended() == (0, "")


def test_stopped_and_continued_it_goes_on(agents: Start):
    agent = agents().ready()
    stream = agent.stream()
    boot = hello(stream).boot
    before = stream.until(of(Kind.SAMPLE))
    agent.signal(signal.SIGSTOP)
    time.sleep(0.5)
    agent.signal(signal.SIGCONT)
    after = [stream.until(of(Kind.SAMPLE)).seq for _ in range(5)]
    # A slot may have passed while it stood still; none comes twice or late.
    assert [before.seq, *after] == sorted({before.seq, *after})
    stream.close()
    assert hello(agent.stream()).boot == boot


# Its GPUs


@pytest.fixture
def standin(tmp_path: Path) -> Standin:
    return Standin.create(tmp_path / "nvml", gpus=3)


def figure(frame: Frame, row: int, field: str) -> Value:
    """A figure of a GPU, where the frame is a sample that has one."""
    rows = unpack_sample(frame.payload)[1] if frame.kind == Kind.SAMPLE else []
    return rows[row][field] if row < len(rows) else None


def gpus(agent: RunningAgent) -> list[str | None]:
    return [gpu["state"] for gpu in agent.node()["gpus"]]


def test_without_a_driver_there_are_no_gpus_and_it_is_said(agents: Start):
    node = agents().ready().node()
    assert (node["gpus"], node["driver"]) == ([], None)
    assert {collector["name"] for collector in node["collectors"]} >= {"host", "nvml"}


def test_a_gpu_that_hangs_leaves_the_others_at_full_rate_and_the_agent_free_to_end(
    agents: Start, standin: Standin
):
    agent = agents(environment=standin.environment()).ready()
    until(lambda: gpus(agent) == ["ok"] * 3)
    standin.hang(1)
    until(lambda: gpus(agent) == ["ok", "hung", "ok"])
    stream = agent.stream("interval=0.2")
    for temperature in (41, 42, 43):
        standin.set(2, "temperature", temperature)
        while figure(next(stream), 2, "temperature") != temperature:
            continue
    hung = agent.node()["gpus"][1]
    assert (hung["temperature"], hung["name"]) == (None, "NVIDIA H100 80GB HBM3")
    agent.signal(signal.SIGTERM)
    assert agent.ended() == (0, "")


def test_a_gpu_that_is_lost_shows_in_the_stream(agents: Start, standin: Standin):
    agent = agents(environment=standin.environment()).ready()
    until(lambda: gpus(agent) == ["ok"] * 3)
    stream = agent.stream()
    standin.lose(0)
    stream.until(lambda frame: figure(frame, 0, "state") == GPU_STATES.index("lost"))
    assert agent.node()["gpus"][0]["power"] is None


def test_who_was_away_too_long_is_greeted_and_told_the_gap(agents: Start, standin: Standin):
    agent = agents(environment=standin.environment()).ready()
    until(lambda: gpus(agent) == ["ok"] * 3)
    stream = agent.stream("interval=5")
    boot = hello(stream).boot
    for number in range(620):
        standin.xid(0, number % 90 + 1)
    stream.until(lambda frame: frame.seq > 615)
    again = agent.stream(f"interval=5&since={boot}:1")
    assert [next(again).kind, next(again).kind] == [Kind.HELLO, Kind.FACTS]
    gap = msgspec.msgpack.decode(next(again).payload, type=Gap)
    assert gap.first == 2
    assert next(again).seq == gap.last + 1


def test_instances_take_the_place_of_a_divided_gpu_in_the_queue(agents: Start, standin: Standin):
    standin.mig(1, ["1g.10gb", "3g.40gb"])
    agent = agents(environment=standin.environment()).ready()
    until(lambda: gpus(agent) == ["ok"] * 5)
    job = b'{"kind": "c", "name": "n", "program": {"arguments": ["-V"]}, "resources": {"gpus": %d}}'
    answer = agent.ask("POST", "/v1/jobs", job % 5)
    assert answer.refusal == "resources.gpus: expected 0 to 4, got 5: this node has 4"
