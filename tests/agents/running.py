"""An agent in a process of its own, and plain questions to it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from llmos.agents.protocol.frames import Frame, FrameReader

PATIENCE = 30.0
"""Seconds until what is waited for counts as missing; nothing here measures a time."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def refusal(self) -> str:
        """The one line of an error, and nothing beside it."""
        content = self.json
        assert content.keys() == {"error"}
        assert len(content["error"].splitlines()) == 1
        return str(content["error"])


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("agent", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(os.fspath(self._path))


class RunningAgent:
    """`python -m llmos.agents.daemon` on a state folder."""

    def __init__(
        self, state: Path, options: tuple[str, ...] = (), environment: dict[str, str] | None = None
    ) -> None:
        self.state = state
        self.socket = state / "agent.sock"
        self._streams: list[Stream] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "llmos.agents.daemon", "--state", str(state), *options],
            env=os.environ | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ready(self) -> "RunningAgent":
        """Once it answers."""
        until(self.answers, self.process)
        return self

    def answers(self) -> bool:
        """Whether it does."""
        try:
            return self.ask("GET", "/v1/hello").status == 200
        except OSError:
            return False

    def connection(self, port: int | None = None) -> http.client.HTTPConnection:
        """A connection to its socket, or to a port that it listens at."""
        if port is None:
            return UnixConnection(self.socket)
        return http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def ask(
        self, method: str, path: str, body: bytes | None = None, port: int | None = None
    ) -> Answer:
        """Ask once."""
        connection = self.connection(port)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def stream(self, query: str = "interval=0.1") -> "Stream":
        """Open a stream, which is closed with the agent."""
        self._streams.append(Stream(self.connection(), f"/v1/stream?{query}"))
        return self._streams[-1]

    def node(self) -> Any:
        """The one node, as JSON."""
        (node,) = self.ask("GET", "/v1/nodes").json
        return node

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def ended(self) -> tuple[int, str]:
        """Wait for its end: the exit status, and all it printed."""
        printed, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, printed

    def kill(self) -> None:
        """Be sure that it is gone."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        for stream in self._streams:
            stream.close()
        if self.process.stdout is not None:
            self.process.stdout.close()


class Stream:
    """A stream of frames as they come."""

    def __init__(self, connection: http.client.HTTPConnection, path: str) -> None:
        self.connection = connection
        connection.request("GET", path)
        self.response = connection.getresponse()
        self._reader = FrameReader()
        self._read: deque[Frame] = deque()

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        while not self._read:
            data = self.response.read1(65536)
            if not data:
                raise StopIteration
            self._read.extend(self._reader.feed(data))
        return self._read.popleft()

    def until(self, wanted: Callable[[Frame], bool]) -> Frame:
        """The first frame that is wanted."""
        deadline = time.monotonic() + PATIENCE
        for frame in self:
            if wanted(frame):
                return frame
            if time.monotonic() > deadline:
                break
        pytest.fail("the stream ended or never said what was waited for")

    def close(self) -> None:
        """Hang up."""
        self.response.close()
        self.connection.close()


def until(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Wait for a condition; fail where it never comes, or the process ends first."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if process is not None and process.poll() is not None:
            pytest.fail(f"the agent ended with {process.returncode}")
        if time.monotonic() > deadline:
            pytest.fail("waited in vain")
        time.sleep(0.02)
