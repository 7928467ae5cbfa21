"""The artifacts that a job reads: "artifact:NAME@X" in a spec becomes a folder beside the attempts.

    spec: "artifact:reviews@champion" -> JobRequest.inputs -> pinned by the agent -> LLMOS_INPUTS
    -> run/JOB/inputs/DIGEST

The copy is made by the rank that comes first, whole and checked against its digests, and serves
all ranks of the node and all attempts of the job.
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from ...agents.errors import LaunchError, LlmosError, SpecError
from ...agents.protocol.artifacts import Parent, parsed_reference
from ...agents.protocol.jobs import Input

PREFIX: Final = "artifact:"
"""Before the reference, wherever a spec may name a path instead."""


def is_artifact(source: str) -> bool:
    """Whether a spec's text names an artifact and not a path."""
    return source.startswith(PREFIX)


def references(table: Any, path: str = "$") -> Iterator[str]:
    """The references in a spec, at any depth.

    Raises:
        SpecError: a text that is no reference; its path is named.
    """
    if isinstance(table, dict):
        for key, value in table.items():
            yield from references(value, f"{path}.{key}")
    elif isinstance(table, list):
        for place, value in enumerate(table):
            yield from references(value, f"{path}[{place}]")
    elif isinstance(table, str) and is_artifact(table):
        reference = table.removeprefix(PREFIX)
        try:
            parsed_reference(reference)
        except ValueError as error:
            raise SpecError(f"{path}: after {PREFIX} {error}") from error
        yield reference


def folder_of(source: str, role: str = "data") -> tuple[Path, Parent | None]:
    """The folder that a spec names, and what it is to the job if it is an artifact.

    Args:
        source: a path, which is left as it is, or "artifact:REFERENCE".
        role: what the parent is called in the lineage.

    Raises:
        LaunchError: the artifact is not there, or is not what its digest says.
    """
    if not is_artifact(source):
        return Path(source), None
    wanted = _pinned(source)
    task = os.environ.get("LLMOS_TASK")
    if wanted is None or not task:
        raise LaunchError(
            f"{source}: is read by a job that an agent started; submit it, or name a folder"
        )
    folder = Path(task).parent / "inputs" / wanted.digest.partition(":")[2]
    try:
        _fetch(wanted, folder)
    except (LlmosError, OSError) as error:
        raise LaunchError(f"{source}: {error}") from error
    return folder, Parent(wanted.digest, role)


def _pinned(source: str) -> Input | None:
    said = os.environ.get("LLMOS_INPUTS", "{}")
    known = msgspec.json.decode(said, type=dict[str, Input])
    return known.get(source.removeprefix(PREFIX))


def _fetch(wanted: Input, folder: Path) -> None:
    """One rank copies, the others wait for it."""
    from .store import Store

    folder.parent.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            Store(wanted.uri).fetch(wanted.digest, folder)
