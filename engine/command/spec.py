"""The kind `command`: a script of the user's own, as each rank's program.

The engine adds nothing to it but the launch: ranks under torch's elastic launcher, or one plain
process, with the interpreter that the submitter's own shell would have started.
"""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from ...agents.errors import SpecError
from ...agents.protocol.jobs import JobRequest, Launcher, Program, Resources
from ..catalog import Spec
from ..specs import request, validate

SECRET: Final = re.compile(r"(_TOKEN|_KEY|_SECRET|PASSWORD)$", re.IGNORECASE)
"""Variables whose values must not come into a spec, which is stored and shown."""

Variables = Annotated[
    dict[str, str], msgspec.Meta(extra_json_schema={"description": "a table of text"})
]


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
    """Either "torchrun": ranks under torch's elastic launcher, or "plain": the one process."""


class Environment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it runs in."""

    python: str | None = None
    """Path of the interpreter. By default the one that the submitter's shell would start:
    `$VIRTUAL_ENV/bin/python`, else the first `python3` on PATH."""

    variables: Variables = {}
    """Set on top of the agent's environment. No secrets: a spec is stored and shown."""


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
    command, environment = spec.command, spec.environment
    _check_one_program(command)
    _check_launch(command, spec.resources)
    _check_variables(environment)
    return msgspec.structs.replace(
        spec,
        command=msgspec.structs.replace(
            command,
            script=None if command.script is None else _script(command.script, folder),
            folder=_folder(command.folder, folder),
        ),
        environment=msgspec.structs.replace(
            environment, python=_python(environment.python, folder)
        ),
    )


def program(spec: Spec) -> Program:
    """What each rank runs."""
    assert isinstance(spec, CommandSpec)  # noqa: S101 - the catalog gives each kind its own
    command = spec.command
    start = ["-m", command.module] if command.module else [command.script or ""]
    return Program(
        arguments=[*start, *command.arguments],
        python=spec.environment.python,
        folder=command.folder,
        environment=spec.environment.variables,
        launcher=command.launcher,
    )


def command_request(
    words: Sequence[str],
    *,
    resources: Resources | None = None,
    folder: Path | None = None,
) -> JobRequest:
    """What an agent is asked for `llmos run -- script.py args…` or `… -- -m module args…`.

    Args:
        words: what stood after the `--`.
        resources: hosts, GPUs and ranks; by default what `Resources` says.
        folder: the caller's working directory, by default this process's.

    Raises:
        SpecError: no script, a script that is not there, or absurd resources.
    """
    if not words or (words[0] == "-m" and len(words) == 1):
        raise SpecError("expected a script after --, as in `llmos run -- train.py`")
    command = (
        {"module": words[1], "arguments": list(words[2:])}
        if words[0] == "-m"
        else {"script": words[0], "arguments": list(words[1:])}
    )
    table = {
        "kind": "command",
        "name": Path(words[1] if words[0] == "-m" else words[0]).stem or "command",
        "resources": msgspec.to_builtins(resources or Resources()),
        "command": command,
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


def _check_variables(environment: Environment) -> None:
    for name in environment.variables:
        if not name or "=" in name:
            raise SpecError(f"$.environment.variables: {name!r} cannot name a variable")
        if SECRET.search(name):
            raise SpecError(
                f"$.environment.variables.{name}: looks like a secret, "
                "and a spec is stored and shown; let the script read it from a file"
            )


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


def _python(asked: str | None, folder: Path) -> str:
    if asked is None:
        return _shell_python()
    path = folder / asked
    if not (os.path.isfile(path) and os.access(path, os.X_OK)):
        raise SpecError(f"$.environment.python: no interpreter that can be started: {path}")
    return str(path)


def _shell_python() -> str:
    """The interpreter that the submitter's shell would start."""
    virtual = os.environ.get("VIRTUAL_ENV")
    if virtual and os.access(inside := os.path.join(virtual, "bin", "python"), os.X_OK):
        return inside
    found = shutil.which("python3")
    if found is None:
        raise SpecError("$.environment.python: no python3 on PATH; name an interpreter")
    return os.path.abspath(found)
