"""Where a conda environment lies, by its name or path. conda itself, which takes a second to say
it, is not asked."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ...agents.errors import SpecError
from ..nearest import hint, shown
from .interpreters import python_of, usable

PATH: Final = "$.environment.conda"
BASE: Final = "base"

FOLDERS: Final = ("CONDA_ENVS_PATH", "CONDA_ENVS_DIRS")
"""Variables that list folders of environments, with colons between."""


def conda_prefix(asked: str, folder: Path, variables: Mapping[str, str]) -> str:
    """The prefix of an environment.

    Args:
        asked: its name, or a path, which has a slash.
        folder: what a relative path starts from.
        variables: the submitter's.

    Raises:
        SpecError: there is none, or it has no python; the nearest name is given.
    """
    if "/" in asked:
        prefix = os.path.abspath(folder / os.path.expanduser(asked))
    else:
        known = dict(reversed(list(_environments(variables))))
        if asked not in known:
            raise SpecError(f"{PATH}: {_unknown(asked, known)}")
        prefix = known[asked]
    if not usable(python_of(prefix)):
        raise SpecError(f"{PATH}: no conda environment with a python: {prefix}")
    return prefix


def conda_variables(prefix: str, name: str) -> dict[str, str]:
    """What activating it sets, apart from PATH and what its packages' own scripts do."""
    return {"CONDA_PREFIX": prefix, "CONDA_DEFAULT_ENV": name, "CONDA_SHLVL": "1"}


def _environments(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Name and prefix of every environment that conda knows; the first of a name counts."""
    root = variables.get("CONDA_EXE") and os.path.dirname(os.path.dirname(variables["CONDA_EXE"]))
    if root:
        yield BASE, root
    folders = [part for name in FOLDERS for part in variables.get(name, "").split(":") if part]
    folders += [os.path.join(root, "envs")] if root else []
    for folder in folders:
        for name in _entries(folder):
            yield name, os.path.join(folder, name)
    for prefix in _registered():
        yield os.path.basename(prefix), prefix


def _entries(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _registered() -> list[str]:
    """Prefixes in the list that conda, mamba and micromamba keep."""
    try:
        text = Path("~/.conda/environments.txt").expanduser().read_text("utf-8", errors="replace")
    except (OSError, RuntimeError):
        return []
    return [line.strip().rstrip("/") for line in text.splitlines() if line.strip()]


def _unknown(asked: str, known: Mapping[str, str]) -> str:
    if not known:
        return f"no conda environments are known here; give the path of {shown(asked)}"
    return f"unknown environment {hint(asked, known)}; or give its path"
