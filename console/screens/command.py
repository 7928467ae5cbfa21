"""The `:` line: the name of a screen or a command, as one would type it after `llmos`."""

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from textual.widgets import Input

from ...agents.errors import LlmosError, UsageError
from ...agents.protocol.artifacts import parsed_reference
from ...engine.nearest import hint
from .. import themes
from ..widgets.prompt import Prompt

if TYPE_CHECKING:
    from ..app import ConsoleApp

Command = Callable[["ConsoleApp", list[str]], None]


def _fleet(app: "ConsoleApp", words: list[str]) -> None:
    app.action_fleet()


def _jobs(app: "ConsoleApp", words: list[str]) -> None:
    app.action_jobs()


def _job(app: "ConsoleApp", words: list[str]) -> None:
    if len(words) != 1 or words[0] not in app.feed.store.jobs:
        known = ", ".join(list(app.feed.store.jobs)[-5:]) or "none yet"
        raise UsageError(f"job: expected the id of a job; the latest are {known}")
    app.open_job(words[0])


def _artifacts(app: "ConsoleApp", words: list[str]) -> None:
    app.action_artifacts()


def _artifact(app: "ConsoleApp", words: list[str]) -> None:
    if len(words) != 1:
        raise UsageError("artifact: expected NAME, NAME@VERSION or NAME@ALIAS")
    try:
        parsed_reference(words[0])
    except ValueError as error:
        raise UsageError(f"artifact: {error}") from error
    name, _, version = words[0].partition("@")
    app.open_artifact(name, version)


def _node(app: "ConsoleApp", words: list[str]) -> None:
    facts = app.feed.store.facts
    slots = [slot for slot, node in facts.items() if not words or node.hostname in words]
    if not slots:
        if not words:
            raise UsageError("node: no node has answered yet; wait a moment")
        names = [node.hostname for node in facts.values()]
        raise UsageError(f"node: unknown node {hint(words[0], names)}")
    app.open_node(slots[0])


def _run(app: "ConsoleApp", words: list[str]) -> None:
    from .launch import submit_words

    if not words:
        app.action_launch()
    else:
        submit_words(app, words)


def _theme(app: "ConsoleApp", words: list[str]) -> None:
    if len(words) != 1 or words[0] not in themes.NAMES:
        raise UsageError(f"theme: {hint(' '.join(words), themes.NAMES)}")
    app.set_theme(words[0])


def _quit(app: "ConsoleApp", words: list[str]) -> None:
    app.call_later(app.action_quit)


def _help(app: "ConsoleApp", words: list[str]) -> None:
    app.action_help()


COMMANDS: Final[dict[str, Command]] = {
    "fleet": _fleet,
    "node": _node,
    "jobs": _jobs,
    "job": _job,
    "artifacts": _artifacts,
    "artifact": _artifact,
    "run": _run,
    "theme": _theme,
    "help": _help,
    "quit": _quit,
    "q": _quit,
}


def open_command_line(app: "ConsoleApp") -> None:
    """Show the line over the key bar."""
    from ...engine.specs import examples

    screen = app.screen
    if screen.query(Prompt):
        return
    words = [*COMMANDS]
    words += [f"run @{example.name}" for example in examples()]
    words += [f"theme {name}" for name in themes.NAMES]
    words += [f"job {job}" for job in app.feed.store.jobs]
    screen.mount(Prompt(":", words=tuple(words)))


def carry_out(app: "ConsoleApp", line: str) -> None:
    """Do what a line says. Raises LlmosError with what was expected."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{line}: {error}") from error
    if not words:
        return
    command = COMMANDS.get(words[0])
    if command is None:
        matches = [name for name in COMMANDS if name.startswith(words[0])]
        if len(matches) != 1:
            raise UsageError(f"unknown command {hint(words[0], matches or COMMANDS)}")
        command = COMMANDS[matches[0]]
    command(app, words[1:])


def submitted(app: "ConsoleApp", event: Input.Submitted) -> None:
    """Enter was pressed in the line."""
    if isinstance(event.input, Prompt):
        event.input.leave()
    try:
        carry_out(app, event.value)
    except LlmosError as error:
        app.notify(str(error), severity="error", timeout=8)
