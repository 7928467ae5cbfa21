"""Starts an agent for this user and host when none answers, as tmux starts its server.

Light to import: a console calls this before anything else, so that the agent comes up while the
screen does. Two callers at once end with one agent, since the agent itself takes the lock.
"""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from .errors import AgentUnreachable
from .locations import Locations

START_SECONDS: Final = 10.0
"""A cold start from a slow disk; a warm one takes a third of a second."""


_started: Final[dict[Path, subprocess.Popen[bytes]]] = {}
"""The newest agent that this process started, by state folder."""


def answers(locations: Locations) -> bool:
    """Whether an agent listens. A socket left behind by a dead one refuses."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(os.fspath(locations.socket))
        except OSError:
            return False
    return True


def spawn(locations: Locations, idle: float | None = None) -> subprocess.Popen[bytes]:
    """Start an agent that outlives this process and its terminal. Returns at once.

    One that this process started for the same folder and that has not ended is given again.
    Raises AgentUnreachable where not even that can be done.
    """
    coming = _started.get(locations.state)
    if coming is not None and coming.poll() is None:
        return coming
    command = [sys.executable, "-m", "llmos.agents.daemon", "--detached"]
    if locations.named:
        command += ["--state", os.fspath(locations.state)]
    if idle is not None:
        command += ["--idle", str(idle)]
    try:
        with locations.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
    except OSError as error:
        raise AgentUnreachable(f"cannot start an agent: {error}") from error
    _started[locations.state] = process
    return process


def ensure(locations: Locations) -> None:
    """Return when an agent answers, started if need be. Raises AgentUnreachable."""
    if not answers(locations):
        wait(locations, spawn(locations))


def wait(locations: Locations, process: subprocess.Popen[bytes]) -> None:
    """Return when an agent answers. Raises AgentUnreachable with what a failed one said.

    An agent that ends with 0 found another that holds the lock: that one is waited for.
    """
    deadline = time.monotonic() + START_SECONDS
    while not answers(locations):
        if status := process.poll():
            raise AgentUnreachable(_why_ended(locations, status))
        if time.monotonic() > deadline:
            raise AgentUnreachable(
                f"no agent answers after {START_SECONDS:.0f} s; {locations.log} may say why"
            )
        time.sleep(0.01)


def _why_ended(locations: Locations, status: int) -> str:
    """What it said last; what a signal ended said nothing."""
    if status < 0:
        return f"the agent was ended by signal {-status} at its start"
    try:
        lines = locations.log.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "the agent ended at its start"
