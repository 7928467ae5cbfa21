"""The real program in a real terminal: live figures, keys, and how it leaves."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from llmos.tests.conftest import FrontDoor
from llmos.tests.nvml.standin import Standin

PATIENCE = 30.0
"""Seconds until what is waited for counts as missing; nothing here measures a time."""

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Pane:
    """One tmux pane of 80×24 with a shell in it, on a server of its own."""

    def __init__(self, socket: Path, environment: dict[str, str]) -> None:
        self._socket = socket
        environment = environment | {"COLORTERM": "truecolor"}
        self.tmux(
            "-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "sh",
            environment=environment,
        )  # fmt: skip
        self.shell = psutil.Process(int(self.ask("pane_pid")))

    def tmux(self, *words: str, environment: dict[str, str] | None = None) -> str:
        command = ["tmux", "-S", os.fspath(self._socket), *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    def ask(self, name: str) -> str:
        return self.tmux("display-message", "-p", f"#{{{name}}}").strip()

    def keys(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    @property
    def text(self) -> str:
        return self.tmux("capture-pane", "-p")

    @property
    def full_screen(self) -> bool:
        """Whether a program has taken the whole screen."""
        return self.ask("alternate_on") == "1"

    def shows(self, *words: str) -> str:
        """The text, once it holds all the words."""
        until(lambda: all(word in self.text for word in words), lambda: self.text)
        return self.text

    def works(self) -> bool:
        """Whether the shell answers what is typed."""
        self.keys("echo answer-$((6*7))", "Enter")
        self.shows("answer-42")
        return True


def until(holds: Callable[[], bool], said: Callable[[], str] = str) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, said()
        time.sleep(0.05)


def agent_of(state: Path) -> int:
    """The pid of the agent that answers there."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(os.fspath(state / "agent.sock"))
        credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("3i", credentials)[0])


@pytest.fixture
def pane(llmos: FrontDoor, standin: Standin, tmp_path: Path) -> Iterator[Pane]:
    """A pane in which the console is live."""
    environment = llmos.environment | standin.environment()
    environment |= {"XDG_CONFIG_HOME": str(tmp_path), "TERM": "xterm-256color"}
    for name in ("COLUMNS", "LINES", "TMUX"):
        environment.pop(name, None)
    pane = Pane(llmos.state / "tmux", environment)
    try:
        assert pane.works()
        pane.keys(" ".join(llmos.command()), "Enter")
        pane.shows("live 1 Hz", "LAST MINUTE")
        yield pane
    finally:
        subprocess.run(
            ["tmux", "-S", os.fspath(llmos.state / "tmux"), "kill-server"],
            stderr=subprocess.DEVNULL,  # it has gone with its last pane
            check=False,
        )


def ended(process: psutil.Process) -> bool:
    """Whether it has ended, even where nobody has asked for its status yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def console_of(pane: Pane) -> psutil.Process:
    (console,) = [child for child in pane.shell.children() if "llmos" in child.cmdline()]
    return console


def test_eight_gpus_live_and_a_closer_look(pane, standin, state):
    shown = pane.shows("busy 6 of 8")
    rows = [line for line in shown.splitlines() if "/79.6G" in line]
    assert [row.split()[0] for row in rows] == list("01234567")
    standin.lose(3)
    pane.shows("✖ lost", "1 not ok")
    pane.keys("Down", "Down", "Enter")
    pane.shows("llmos Node", "GPU 2   UUID")
    agent = agent_of(state)
    pane.keys("q")
    until(lambda: not pane.full_screen)
    assert pane.works()
    assert agent_of(state) == agent


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_the_terminal_as_it_was(pane, state, number):
    agent, console = agent_of(state), console_of(pane)
    console.send_signal(number)
    until(lambda: not pane.full_screen)
    assert pane.works()
    assert "Traceback" not in pane.text
    assert agent_of(state) == agent


def test_a_killed_console_harms_no_agent_and_the_terminal_can_be_reset(pane, state):
    agent, console = agent_of(state), console_of(pane)
    console.kill()
    until(lambda: ended(console))
    pane.keys("C-j", "stty sane; tput rmcup; tput reset", "C-j")
    until(lambda: not pane.full_screen)
    assert pane.works()
    assert agent_of(state) == agent


def test_a_closed_terminal_ends_the_console_and_not_the_agent(pane, state):
    agent, console = agent_of(state), console_of(pane)
    pane.keys("Enter")
    pane.shows("llmos Node")
    pane.tmux("kill-pane")
    until(lambda: ended(console), lambda: f"{console.status()} {console.threads()}")
    assert agent_of(state) == agent
    assert psutil.pid_exists(agent)
