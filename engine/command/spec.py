"""The kind `command`: a script of the user's own, as each rank's program.

The engine adds nothing to it but the launch: ranks with the environment that torchrun gives, or one
plain process, in the world that the submitter's own shell would have started it in.
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from ...agents.errors import SpecError
from ...agents.protocol.jobs import JobRequest, Launcher, Program, Resources
from ..catalog import Spec
from ..nearest import shown
from ..specs import request, validate
from .containers import check_mountable
from .environment import Environment, settled, world


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to run: a script or a module, never both."""

    script: str | None = None
    """Path of a Python file. A relative one starts from the submitter's working directory."""

    module: str | None = None
    """A module that the interpreter finds, run as `python -m` would."""

    arguments: list[str] = []
    """What follows the script."""

    folder: str | None = None
    """The working directory; by default the submitter's."""

    launcher: Launcher = "torchrun"
    """Either "torchrun": ranks as torchrun would start them, or "plain": the one process."""

    warm: bool = False
    """Whether ranks start with torch imported already. Only with the interpreter that llmos runs
    in."""

    step_regex: str | None = None
    """Finds figures in what rank 0 prints, each named group one and `step` their place, as
    "step (?P<step>\\d+) loss (?P<loss>\\S+)"; for scripts that write them nowhere else."""


class CommandSpec(Spec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A spec of the kind `command`."""

    kind: Literal["command"] = "command"
    command: Command
    """What to run."""

    environment: Environment = Environment()
    """What it runs in."""


SPEC: Final = CommandSpec


def resolve(spec: Spec, folder: Path) -> Spec:
    """The spec with absolute paths and a chosen interpreter.

    Raises:
        SpecError: the script, the working directory or the interpreter is not there, or the
            tables contradict each other.
    """
    assert isinstance(spec, CommandSpec)  # noqa: S101 - the catalog gives each kind its own
    command = spec.command
    _check_one_program(command)
    _check_launch(command, spec.resources)
    _check_step_regex(command.step_regex)
    resolved = msgspec.structs.replace(
        spec,
        command=msgspec.structs.replace(
            command,
            script=None if command.script is None else _script(command.script, folder),
            folder=_folder(command.folder, folder),
        ),
        environment=settled(spec.environment, folder),
    )
    _check_mountable(resolved)
    _check_warm(resolved)
    return resolved


def program(spec: Spec) -> Program:
    """What each rank runs, with the submitter's environment, which is this process's."""
    assert isinstance(spec, CommandSpec)  # noqa: S101 - the catalog gives each kind its own
    command = spec.command
    start = ["-m", command.module] if command.module else [command.script or ""]
    around = world(spec.environment, Path(command.folder or ""), _places(command))
    return Program(
        arguments=[*start, *command.arguments],
        # Of the names that one interpreter goes by, only the agent knows its own.
        python=None if command.warm else around.python,
        folder=command.folder,
        environment=around.variables,
        launcher=command.launcher,
        warm=command.warm,
        prefix=around.prefix,
        setup=around.setup,
        torch=around.torch,
        step_regex=command.step_regex,
    )


def command_request(
    words: Sequence[str],
    *,
    resources: Resources | None = None,
    folder: Path | None = None,
    command: Mapping[str, Any] | None = None,
    above: Mapping[str, Any] | None = None,
) -> JobRequest:
    """What an agent is asked for `llmos run -- script.py args…` or `… -- -m module args…`.

    Args:
        words: what stood after the `--`.
        resources: hosts, GPUs and ranks; by default what `Resources` says.
        folder: the caller's working directory, by default this process's.
        command: further keys of the spec's table `[command]`, as `warm`.
        above: further keys of the spec itself, as `after`.

    Raises:
        SpecError: no script, a script that is not there, or absurd resources.
    """
    if not words or (words[0] == "-m" and len(words) == 1):
        raise SpecError("expected a script after --, as in `llmos run -- train.py`")
    run = (
        {"module": words[1], "arguments": list(words[2:])}
        if words[0] == "-m"
        else {"script": words[0], "arguments": list(words[1:])}
    )
    table = {
        **(above or {}),
        "kind": "command",
        "name": Path(words[1] if words[0] == "-m" else words[0]).stem or "command",
        "resources": msgspec.to_builtins(resources or Resources()),
        "command": {**(command or {}), **run},
    }
    return request(validate(table), Path.cwd() if folder is None else folder)


def _check_one_program(command: Command) -> None:
    if command.script and command.module:
        raise SpecError("$.command: expected a script or a module, got both")
    if not command.script and not command.module:
        raise SpecError("$.command.script: missing, expected the path of a script")


def _check_launch(command: Command, resources: Resources) -> None:
    if command.launcher == "plain" and (resources.ranks or 1) > 1:
        raise SpecError(
            '$.resources.ranks: expected 1 with launcher = "plain", '
            f'got {resources.ranks}; several ranks need launcher = "torchrun"'
        )


def _check_step_regex(pattern: str | None) -> None:
    if pattern is None:
        return
    path = "$.command.step_regex"
    try:
        groups = re.compile(pattern).groupindex
    except (re.error, RecursionError, OverflowError) as error:
        raise SpecError(f"{path}: expected a regular expression: {error}") from None
    if not groups:
        raise SpecError(f"{path}: expected named groups, as (?P<loss>\\S+), got {shown(pattern)}")


def _check_mountable(spec: CommandSpec) -> None:
    if spec.environment.container is None:
        return
    check_mountable(spec.command.folder or "", "$.command.folder")
    for place in _places(spec.command):
        check_mountable(place, "$.command.script")


def _check_warm(spec: CommandSpec) -> None:
    if not spec.command.warm:
        return
    around = world(spec.environment, Path(spec.command.folder or ""), [])
    if not around.own:
        theirs = " ".join([*around.prefix[:1], around.python])
        raise SpecError(
            f"$.command.warm: expected the interpreter of llmos itself, {sys.executable}, and got "
            f"{theirs}; leave warm out, or install llmos there and submit with that one"
        )


def _places(command: Command) -> list[str]:
    """Paths that the program needs, outside its working folder."""
    if command.script is None:
        return []
    beside = os.path.dirname(command.script)
    inside = Path(beside).is_relative_to(command.folder or "")
    return [] if inside else [beside]


def _script(script: str, folder: Path) -> str:
    path = folder / script
    if os.path.exists(path) and not os.path.isfile(path):
        raise SpecError(f"$.command.script: expected a Python file: {path}")
    try:
        with path.open("rb") as file:
            file.read(1)
    except FileNotFoundError:
        raise SpecError(f"$.command.script: no such file: {path}") from None
    except OSError as error:
        raise SpecError(f"$.command.script: cannot be read: {path}: {error.strerror}") from None
    return str(path)


def _folder(asked: str | None, folder: Path) -> str:
    path = folder / (asked or "")
    if not os.path.isdir(path):
        raise SpecError(f"$.command.folder: no such folder: {path}")
    return str(path)
