"""The table `[environment]` of a command: in which world it runs, checked and made definite.

By default it is the submitter's: her variables, and the interpreter that her shell would start.
"""

import os
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec

from ...agents.errors import SpecError
from ...agents.records.secrets import is_secret
from .conda import conda_prefix, conda_variables
from .containers import INSIDE, RuntimeName, emptied, entering, settle
from .inherited import of_this_process
from .interpreters import ACTIVE, active_python, ask, python_of, shell_python, usable
from .modules import ModuleName, setup_lines

Variables = Annotated[
    dict[str, str], msgspec.Meta(extra_json_schema={"description": "a table of text"})
]

WORLDS: Final = ("python", "venv", "conda", "container")
"""Keys of which one names the interpreter; only inside a container a second may."""

ACTIVATION: Final = (*ACTIVE, "CONDA_DEFAULT_ENV", "CONDA_PROMPT_MODIFIER", "CONDA_SHLVL")
"""Beginnings of the variables that say which environment is active."""


class Environment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it runs in: one of `python`, `venv`, `conda` and `container`, or the submitter's own."""

    python: str | None = None
    """Path of the interpreter; in a container a name will do. By default the one that the
    submitter's shell would start: that of the active environment, else `python3`, pyenv's too."""

    venv: str | None = None
    """Folder of a virtual environment, to be as if activated."""

    conda: str | None = None
    """Name or path of a conda environment, to be as if activated."""

    modules: list[ModuleName] = []
    """Environment modules to load first, as "cuda/12.4"."""

    container: str | None = None
    """An image to run in: a path as "torch.sif", "torch.sqsh", or a name as
    "docker://nvcr.io/nvidia/pytorch:25.06-py3"."""

    runtime: RuntimeName | None = None
    """What enters the container; by default the first that is installed and can."""

    variables: Variables = {}
    """Set on top of the submitter's variables. No secrets: a spec is stored and shown; those in
    the submitter's environment reach the job."""


class World(NamedTuple):
    """What an environment comes to."""

    python: str
    variables: dict[str, str]
    """The whole environment."""

    prefix: list[str]
    """Words ahead of the interpreter."""

    setup: str | None
    """Lines of shell that come first."""

    torch: str | None
    """The version that the interpreter has; None where it has none or was not asked."""

    own: bool
    """Whether the interpreter is the one that llmos runs in, and nothing stands around it."""


def settled(environment: Environment, folder: Path) -> Environment:
    """The same with absolute paths and a chosen interpreter, so that it means the same to others.

    Raises:
        SpecError: it contradicts itself, or what it names is not there.
    """
    _check_one_world(environment)
    _check_variables(environment)
    chosen = msgspec.structs.replace
    if environment.container is not None:
        image, runtime = settle(environment.container, environment.runtime, folder)
        return chosen(environment, container=image, runtime=runtime)
    if environment.venv is not None:
        return chosen(environment, venv=_venv(environment.venv, folder))
    if environment.conda is not None:
        conda_prefix(environment.conda, folder, os.environ)
        named = environment.conda
        return chosen(environment, conda=_absolute(named, folder) if "/" in named else named)
    return chosen(environment, python=_python(environment, folder))


def world(environment: Environment, folder: Path, places: list[str]) -> World:
    """What a settled environment comes to.

    Args:
        environment: as `settled` returns it.
        folder: the job's working folder.
        places: further paths that the program needs.
    """
    if environment.container is not None and environment.runtime is not None:
        return _inside(environment.container, environment.runtime, environment, places)
    variables = of_this_process()
    prefix = environment.venv
    if environment.venv is not None:
        variables = _activated(variables, environment.venv, {"VIRTUAL_ENV": environment.venv})
    elif environment.conda is not None:
        prefix = conda_prefix(environment.conda, folder, os.environ)
        set_by_it = conda_variables(prefix, environment.conda)
        variables = _activated(variables, prefix, set_by_it)
    variables |= environment.variables
    setup = None
    if environment.modules:
        first = os.path.join(prefix, "bin") if prefix else None
        setup = setup_lines(environment.modules, variables, first)
    python = python_of(prefix) if prefix else environment.python or INSIDE
    found = ask(python, variables, folder, setup)
    own = found is not None and found.is_own and setup is None
    return World(python, variables, [], setup, found and found.torch, own)


def _inside(image: str, runtime: RuntimeName, environment: Environment, places: list[str]) -> World:
    variables = of_this_process(container=True) | emptied(runtime) | environment.variables
    prefix = entering(image, runtime, places)
    return World(environment.python or INSIDE, variables, prefix, None, None, own=False)


def _activated(variables: dict[str, str], prefix: str, set_by_it: dict[str, str]) -> dict[str, str]:
    """The variables as a shell has them in which that environment, and no other, is active."""
    active = [variables[name] for name in ACTIVE if variables.get(name)]
    left = {
        name: value
        for name, value in variables.items()
        if name != "PYTHONHOME" and not name.startswith(ACTIVATION)
    }
    behind = {os.path.join(one, "bin") for one in (*active, prefix)}
    path = [part for part in variables.get("PATH", os.defpath).split(":") if part not in behind]
    return left | set_by_it | {"PATH": ":".join([os.path.join(prefix, "bin"), *path])}


def _check_one_world(environment: Environment) -> None:
    named = [name for name in WORLDS if getattr(environment, name) is not None]
    if named == ["python", "container"]:
        named = ["container"]
    if len(named) > 1:
        raise SpecError(f"$.environment: expected one interpreter, got {' and '.join(named)}")
    if environment.container is not None and environment.modules:
        raise SpecError(
            "$.environment.modules: expected none with a container, which brings what it needs"
        )
    if environment.runtime is not None and environment.container is None:
        raise SpecError("$.environment.runtime: expected an image as container beside it")


def _check_variables(environment: Environment) -> None:
    for name in environment.variables:
        if not name or "=" in name:
            raise SpecError(f"$.environment.variables: {name!r} cannot name a variable")
        if is_secret(name):
            raise SpecError(
                f"$.environment.variables.{name}: looks like a secret, and a spec is stored and "
                "shown; set it in the environment that you submit from, which the job inherits"
            )


def _python(environment: Environment, folder: Path) -> str:
    if environment.python is not None:
        path = _absolute(environment.python, folder)
        if not usable(path):
            raise SpecError(f"$.environment.python: no interpreter that can be started: {path}")
        return path
    variables = of_this_process() | environment.variables
    if not environment.modules:
        return shell_python(variables, folder)
    return _python_of_modules(environment, variables, folder)


def _python_of_modules(environment: Environment, variables: dict[str, str], folder: Path) -> str:
    """The active environment's interpreter, else the one that is first once modules are loaded."""
    active = active_python(variables)
    if active is not None:
        return active
    setup = setup_lines(environment.modules, variables, None)
    found = ask(INSIDE, variables, folder, setup)
    if found is None:
        raise SpecError(
            f"$.environment.modules: no python3 in a login shell after "
            f"`module load {' '.join(environment.modules)}`; name an interpreter as python"
        )
    return found.executable


def _venv(asked: str, folder: Path) -> str:
    path = _absolute(asked, folder)
    if not usable(python_of(path)):
        raise SpecError(f"$.environment.venv: no virtual environment with a python: {path}")
    return path


def _absolute(path: str, folder: Path) -> str:
    # Not resolved: an environment's python is a link to one outside of it.
    return os.path.abspath(folder / os.path.expanduser(path))
