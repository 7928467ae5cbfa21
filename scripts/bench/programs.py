"""What is measured: llmos and its peers, how each is started, driven and read."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

UP, DOWN = b"\x1b[A", b"\x1b[B"
UP_OF_CURSES, DOWN_OF_CURSES = b"\x1bOA", b"\x1bOB"
"""curses puts the keypad into application mode, in which xterm's arrows are these."""

CONSTELLA_PORT: Final = 18765


@dataclass(frozen=True)
class Helper:
    """A process that must run beside a screen."""

    name: str
    command: tuple[str, ...]
    """`{folder}` is the stage's folder, `{state}` llmos's state folder."""

    answers: str
    """What there is once it answers: a socket's path, or a port of loopback."""


@dataclass(frozen=True)
class Program:
    """One program with a screen."""

    name: str
    command: tuple[str, ...]
    figures: re.Pattern[str]
    """A line that shows the figures of a GPU."""

    rows: re.Pattern[str] | None = None
    """A line that its cursor can stand on; None if it has no cursor."""

    up: bytes = UP
    down: bytes = DOWN
    quit: bytes = b"q"
    prepare: bytes = b""
    """Keys that bring the cursor to the rows."""

    helpers: tuple[Helper, ...] = ()


def llmos(command: list[str]) -> Program:
    """The console, with its agent."""
    agent = (sys.executable, "-m", "llmos.agents.daemon", "--state", "{state}")
    return Program(
        "llmos",
        tuple(command),
        # Row, model where there is room, state, bars: "3  ● ok  ███ 85% ██61.9/79.6G ██580/700W".
        figures=re.compile(r"^ *\d+ .*\d+%.*[\dKMG]/[\d.]+G.*\d/\d+W"),
        rows=re.compile(r"^ *\d+ .*\d+%.*[\dKMG]/[\d.]+G"),
        helpers=(Helper("agent", agent, "{state}/agent.sock"),),
    )


def nvtop() -> Program | None:
    """In C, from the distribution; None where it is not installed."""
    found = shutil.which("nvtop")
    if found is None:
        return None
    return Program(
        "nvtop",
        (found, "-d", "10"),
        figures=re.compile(r"GPU\[.*\d+%\].*Gi/"),
        rows=re.compile(r"^ *\d+ +\S+ +\d+ +(Compute|Graphic)"),
        up=UP_OF_CURSES,
        down=DOWN_OF_CURSES,
    )


def nvitop(folder: Path) -> Program:
    """At 1 Hz; its GPUs are read so often anyway, the interval is that of the processes."""
    return Program(
        "nvitop",
        (str(folder / "bin/nvitop"), "--interval", "1"),
        figures=re.compile(r"\d+W / \d+W .*iB / .*\d+%"),
        rows=re.compile(r"^│.? *\d+ +\d+ [CG] "),
        up=UP_OF_CURSES,
        down=DOWN_OF_CURSES,
    )


def gpu_scope(folder: Path) -> Program:
    """At 1 Hz, its default. Its keys move nothing."""
    return Program(
        "gpu-scope",
        (str(folder / "bin/gpu-scope"), "--interval", "1"),
        figures=re.compile(r"Mem +\[.*\d[GM]iB/"),
    )


def constella(folder: Path) -> Program:
    """At 1 Hz, its default; without its database, which it can do without."""
    own = str(folder / "bin/constella")
    url = f"127.0.0.1:{CONSTELLA_PORT}"
    token = "{folder}/token"
    manager = (own, "serve", "--host", "127.0.0.1", "--port", str(CONSTELLA_PORT))
    state = ("--state-file", "{folder}/constella.json")
    agent = (own, "agent", "--manager-url", f"ws://{url}/api/agents/ws", "--node-id", "node")
    return Program(
        "constella-gpu",
        (own, "tui", "--url", f"http://{url}"),
        figures=re.compile(r"\d+%.*\d/[\d.]+ GiB .* W "),
        rows=re.compile(r"\d+%.*\d/[\d.]+ GiB .* W "),
        prepare=b"\t\t",
        helpers=(
            Helper(
                "manager",
                (*manager, "--refresh", "1", "--agent-token-file", token),
                str(CONSTELLA_PORT),
            ),
            Helper(
                "agent",
                (*agent, "--refresh", "1", "--token-file", token, *state),
                str(CONSTELLA_PORT),
            ),
        ),
    )
