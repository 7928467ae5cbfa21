"""`llmos` on a terminal: the console, with the agent started beside it."""

from collections.abc import Callable
from pathlib import Path

from llmos.tests.conftest import FrontDoor
from llmos.tests.console.cli.conftest import OnTerminal

Opened = Callable[..., OnTerminal]
ALTERNATE_SCREEN = "\x1b[?1049h"


def test_the_bare_command_opens_the_console_and_starts_an_agent(
    llmos: FrontDoor, terminal: Opened, tmp_path: Path
) -> None:
    llmos.environment["XDG_CONFIG_HOME"] = str(tmp_path)
    shown = terminal()
    shown.until(ALTERNATE_SCREEN)
    shown.until("CPU")
    shown.type("q")
    assert shown.code() == 0
    assert "No jobs yet" in llmos("jobs")


def test_a_state_folder_that_cannot_be_written_is_one_line(
    llmos: FrontDoor, terminal: Opened
) -> None:
    llmos.environment["LLMOS_STATE"] = "/proc/llmos"
    shown = terminal()
    shown.until("llmos: cannot write the state folder /proc/llmos: ")
    assert shown.code() == 1
