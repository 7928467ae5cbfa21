"""Finds the files of a source, and says what each of them is. Reads none of them.

Free of torch and quick to import: a spec is checked with it before a job is submitted.
"""

from __future__ import annotations

import glob
import os
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ...agents.errors import SpecError
from ..artifacts.inputs import PREFIX, is_artifact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .spec import Source

MODULE: Final = "module:"
LIBRARY: Final = "stdlib:"

SUFFIXES: Final = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".rst": "text",
    ".html": "html",
    ".htm": "html",
    ".eml": "mail",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".db": "sqlite",
}
"""Format by suffix."""


COMPRESSED: Final = frozenset((".gz", ".bz2", ".xz"))
"""Suffixes after that of the format, as in reviews.jsonl.gz."""


class Found(msgspec.Struct, frozen=True, order=True):
    """One file of a source."""

    name: str
    """What its rows call it: the path from where its source begins, the same on each machine."""

    path: str
    format: str


def checked_entries(entries: list[str], where: str, folder: Path) -> list[str]:
    """Paths and globs made absolute from `folder`; each leads somewhere.

    Raises:
        SpecError: an entry that is empty, or that nothing matches.
    """
    if any(not entry for entry in entries):
        raise SpecError(f"{where}: expected paths, got an empty one")
    absolute = [
        entry
        if entry.startswith((MODULE, LIBRARY, PREFIX))
        else str(folder / Path(entry).expanduser())
        for entry in entries
    ]
    for entry in absolute:
        if is_artifact(entry):
            continue  # which rank 0 looks for
        if entry.startswith(MODULE):
            _check_module(entry.removeprefix(MODULE), where)
        else:
            _matches(_located(entry), where)
    return absolute


def found_files(source: Source, where: str) -> list[Found]:
    """All files of a resolved source, in one order wherever it is asked.

    Raises:
        SpecError: there is none, or its format cannot be told.
    """
    entries = [source.path] if isinstance(source.path, str) else source.path
    found = [file for entry in entries for file in _found(entry, source, where)]
    if not found:
        raise SpecError(f"{where}.path: holds no file of a known format; name one in `format`")
    # Entries may overlap: a file is read once.
    return sorted({file.path: file for file in reversed(found)}.values())


def is_compressed(path: str) -> bool:
    """Whether a file's suffix says so."""
    return Path(path).suffix.lower() in COMPRESSED


def suffix_of(path: Path) -> str:
    """That of the format, in small letters, of a compressed file the one before its last."""
    inner = path.with_suffix("") if is_compressed(path.name) else path
    return inner.suffix.lower()


def _found(entry: str, source: Source, where: str) -> Iterator[Found]:
    if entry.startswith(MODULE):
        yield Found(entry.removeprefix(MODULE), entry, "module")
        return
    for match in _matches(_located(entry), where):
        if not match.is_dir():
            name = match.relative_to(_start(_located(entry)))
            yield Found(str(name), str(match), _format(match, source, where))
            continue
        for path in _below(match):
            if source.format != "auto" or suffix_of(path) in SUFFIXES:
                name = path.relative_to(match.parent)
                yield Found(str(name), str(path), _format(path, source, where))


def _matches(entry: str, where: str) -> list[Path]:
    if os.path.exists(entry):
        return [Path(entry)]
    if not glob.has_magic(entry):
        raise SpecError(f"{where}: no such file or folder: {entry}")
    # What a glob finds are files; folders in it are on the way to them.
    found = sorted(path for path in map(Path, glob.glob(entry, recursive=True)) if path.is_file())
    if not found:
        raise SpecError(f"{where}: no file matches {entry}")
    return found


def _located(entry: str) -> str:
    if entry.startswith(LIBRARY):
        return str(Path(sysconfig.get_path("stdlib"), entry.removeprefix(LIBRARY)))
    return entry


def _start(entry: str) -> Path:
    """The folder from which the files of an entry have their names."""
    path = Path(entry)
    if path.exists():
        return path.parent
    plain = path
    while glob.has_magic(str(plain)):
        plain = plain.parent
    # One folder more, so that the names of files tell which folder a glob searched.
    return plain.parent


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def _format(path: Path, source: Source, where: str) -> str:
    if source.format != "auto":
        return source.format
    try:
        return SUFFIXES[suffix_of(path)]
    except KeyError:
        raise SpecError(
            f'{where}.format: "auto" cannot tell what {path} is; name its format'
        ) from None


def _check_module(name: str, where: str) -> None:
    module, colon, function = name.partition(":")
    words = [*module.split("."), *([function] if colon else [])]
    if not all(word.isidentifier() for word in words) or find_spec(words[0]) is None:
        raise SpecError(f"{where}: no module named {name!r}")
