"""Starts an agent for this user and host when none answers, as tmux starts its server.

Light to import: a console calls this before anything else, so that the agent comes up while the
screen does. Two callers at once end with one agent, since the agent itself takes the lock.
"""

import os
import socket
import subprocess
import sys
import time
from typing import Final

from .errors import AgentUnreachable
from .locations import Locations

START_SECONDS: Final = 10.0
"""A cold start from a slow disk; a warm one takes a third of a second."""


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
    """Start an agent that outlives this process and its terminal. Returns at once."""
    command = [sys.executable, "-m", "llmos.agents.daemon", "--state", os.fspath(locations.state)]
    command += ["--detached"]
    if idle is not None:
        command += ["--idle", str(idle)]
    with locations.log.open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )


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
        if process.poll() not in (None, 0):
            raise AgentUnreachable(_last_line(locations) or "the agent ended at its start")
        if time.monotonic() > deadline:
            raise AgentUnreachable(
                f"no agent answers after {START_SECONDS:.0f} s; {locations.log} may say why"
            )
        time.sleep(0.01)


def _last_line(locations: Locations) -> str | None:
    try:
        lines = locations.log.read_text(errors="replace").splitlines()
    except OSError:
        return None
    return lines[-1] if lines else None
