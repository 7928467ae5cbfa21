"""Reads the documents that a model is trained on. Knows nothing of what becomes of them.

Free of torch and quick to import: a spec is checked with it before a job is submitted.
"""

import glob
import os
from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ...agents.errors import SpecError

MODULE: Final = "module:"
WHERE: Final = "$.train.data.source"

Documents = dict[str, str]
"""Text by name, in a stable order."""


def resolved_source(source: str | list[str], folder: Path) -> list[str]:
    """The source as a list, its paths and globs absolute from `folder`.

    Raises:
        SpecError: the list is empty, or an entry is.
    """
    entries = [source] if isinstance(source, str) else source
    if not entries or not all(entries):
        raise SpecError(f"{WHERE}: expected paths of text files, or module:NAME")
    return [entry if entry.startswith(MODULE) else str(folder / entry) for entry in entries]


def read_documents(source: Iterable[str], *, modules: bool = True) -> Documents:
    """All documents of a resolved source.

    Args:
        source: paths, globs and modules, as `resolved_source` gives them.
        modules: whether to import modules too. Without, it is only looked whether they are there,
            so that the submitter runs no code of theirs.

    Raises:
        SpecError: an entry that is missing, unreadable, empty or not UTF-8, by its name and, for
            bytes that are not UTF-8, their place.
    """
    documents: Documents = {}
    for entry in source:
        if entry.startswith(MODULE):
            name = entry.removeprefix(MODULE)
            documents |= _module(name) if modules else _module_is_there(name)
        else:
            documents |= {str(path): _file(path) for path in _paths(entry)}
    return documents


def _paths(entry: str) -> list[Path]:
    if os.path.isfile(entry) or not glob.has_magic(entry):
        return [Path(entry)]
    found = sorted(Path(name) for name in glob.glob(entry, recursive=True))
    files = [path for path in found if path.is_file()]
    if not files:
        raise SpecError(f"{WHERE}: no file matches {entry}")
    return files


def _file(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise SpecError(f"{WHERE}: expected a text file (or a glob such as {path}/*.txt)")
        text = path.read_bytes().decode().removeprefix("\ufeff")
    except FileNotFoundError:
        raise SpecError(f"{WHERE}: no such file: {path}") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{WHERE}: not UTF-8 at byte {error.start}: {path}") from None
    except OSError as error:
        raise SpecError(f"{WHERE}: cannot be read: {path}: {error.strerror}") from None
    if not text.strip():
        raise SpecError(f"{WHERE}: no text in {path}")
    return text


def _module(name: str) -> Documents:
    _module_is_there(name)
    try:
        table = getattr(import_module(name), name.rpartition(".")[2], None)
    except ImportError as error:
        raise SpecError(f"{WHERE}: {MODULE}{name}: {error}") from None
    if not isinstance(table, Mapping) or not table:
        raise SpecError(f"{WHERE}: {MODULE}{name}: holds no table of texts of that name")
    return {f"{name}:{key}": str(text) for key, text in table.items() if str(text).strip()}


def _module_is_there(name: str) -> Documents:
    top = name.partition(".")[0]
    if not all(part.isidentifier() for part in name.split(".")) or find_spec(top) is None:
        raise SpecError(f"{WHERE}: no module named {name!r}")
    return {}
