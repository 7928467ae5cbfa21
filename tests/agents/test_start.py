"""Starting an agent when none answers."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmos.agents import locations, start
from llmos.agents.errors import AgentUnreachable
from llmos.agents.locations import Locations
from llmos.tests.agents.running import until

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
"""An agent outlives who started it: nobody waits for its end."""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Locations]:
    found = locations.find(tmp_path / "state")
    yield found
    if start.answers(found):
        os.kill(owner(found), signal.SIGKILL)


def owner(place: Locations) -> int:
    """The process that listens there."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(os.fspath(place.socket))
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(credentials[:4], sys.byteorder)


def test_an_agent_is_started_once_and_found_afterwards(place: Locations):
    assert not start.answers(place)
    start.ensure(place)
    first = owner(place)
    start.ensure(place)
    assert owner(place) == first
    assert os.getsid(first) == first, "it is no child of this terminal"


def test_two_callers_at_once_end_with_one_agent(place: Locations):
    pair = []
    for _ in range(2):
        start._started.clear()  # as two consoles would, which know nothing of each other
        pair.append(start.spawn(place))
    for process in pair:
        start.wait(place, process)
    alive = owner(place)
    other = next(process for process in pair if process.pid != alive)
    assert other.wait(30) == 0


def test_one_caller_starts_one_agent_however_often_it_asks(place: Locations):
    assert start.spawn(place) is start.spawn(place)
    start.ensure(place)


def test_an_agent_in_the_usual_place_is_found_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.delenv("LLMOS_STATE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    usual = locations.find()
    try:
        start.ensure(usual)
        assert usual.socket.is_relative_to(runtime)
        assert usual.state.is_relative_to(tmp_path / "state")
    finally:
        os.kill(owner(usual), signal.SIGKILL)


def test_a_socket_of_a_dead_agent_does_not_answer(place: Locations):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(place.socket))
        dead.listen()
        assert start.answers(place)
    assert place.socket.exists()
    assert not start.answers(place)
    start.ensure(place)
    assert start.answers(place)


def test_why_an_agent_did_not_start_is_one_line(place: Locations):
    (place.state / "records.sqlite").mkdir()
    with pytest.raises(AgentUnreachable, match=r"llmos agent: cannot write the records") as raised:
        start.ensure(place)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import os; os.kill(os.getpid(), 9)", "ended by signal 9 at its start"),
        ("raise SystemExit(3)", "the agent ended at its start"),
    ],
)
def test_one_that_ends_without_a_word(place: Locations, program: str, says: str):
    with pytest.raises(AgentUnreachable, match=says):
        start.wait(place, subprocess.Popen([sys.executable, "-c", program]))


def test_a_log_that_cannot_be_written_is_one_line(place: Locations):
    place.log.mkdir()
    with pytest.raises(AgentUnreachable, match="cannot start an agent: "):
        start.ensure(place)


def test_one_that_never_answers_is_given_up(place: Locations, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(start, "START_SECONDS", 0.1)
    with subprocess.Popen(["sleep", "30"]) as process:
        with pytest.raises(AgentUnreachable, match=r"agent\.log may say why"):
            start.wait(place, process)
        process.kill()


def test_it_outlives_who_started_it(place: Locations):
    program = (
        "from pathlib import Path; from llmos.agents import locations, start;"
        f"start.ensure(locations.find(Path({str(place.state)!r})))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    until(lambda: start.answers(place))
