"""The formats, as one table: what reads each, and how its columns are told.

Readers need the standard library and msgspec; Parquet's alone imports more, when it reads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from ....agents.errors import SpecError
from ..paths import MODULE
from ..rows import Piece, Records
from . import delimited, jsonl, modules, parquet, sqlite, wholefile
from .compressed import DAMAGED, opened

if TYPE_CHECKING:
    from ..spec import Source

Read = Callable[[BinaryIO, Piece, "Source"], Records]
Columns = Callable[[BinaryIO, Piece, "Source"], list[str] | None]


class Format(msgspec.Struct, frozen=True):
    """One row of the table."""

    read: Read
    columns: Columns
    quick: bool = True
    """Whether the columns are told without importing anything large."""

    by_lines: bool = False
    """Whether a file can be cut at any line end."""


def _always(*names: str) -> Columns:
    return lambda _file, _piece, _source: list(names)


FORMATS: Final = {
    "jsonl": Format(jsonl.read, jsonl.columns, by_lines=True),
    "csv": Format(delimited.read, delimited.columns),
    "parquet": Format(parquet.read, parquet.columns, quick=False),
    "text": Format(wholefile.read_text, _always("text")),
    "html": Format(wholefile.read_html, _always("text", "title")),
    "mail": Format(wholefile.read_mail, _always(*wholefile.MAIL_COLUMNS)),
    "sqlite": Format(sqlite.read, sqlite.columns),
}


def records(piece: Piece, source: Source) -> Records:
    """The rows of a piece as its file has them, and those that are kept aside.

    Raises:
        SpecError: the file is gone, is no longer what was planned, or cannot be read at all.
    """
    if piece.path.startswith(MODULE):
        yield from modules.read(piece, source)
        return
    try:
        with opened(piece.path) as file:
            yield from FORMATS[piece.format].read(file, piece, source)
        now = os.stat(piece.path)
    except (OSError, *DAMAGED) as error:
        why = getattr(error, "strerror", None) or error
        raise SpecError(
            f"source {source.name}: {piece.path} cannot be read any more: "
            f"{why}; nothing was registered"
        ) from error
    if (now.st_size, now.st_mtime_ns) != (piece.size, piece.changed):
        raise SpecError(
            f"source {source.name}: {piece.path} changed while it was read; nothing was registered"
        )


def columns_of(path: str, form: str, source: Source, *, quick: bool = False) -> list[str] | None:
    """The columns of a file; None if they cannot be told, or with `quick` not at once.

    Raises:
        SpecError: the file cannot be read.
    """
    if path.startswith(MODULE):
        return modules.columns(path)
    known = FORMATS[form]
    if quick and not known.quick:
        return None
    try:
        with opened(path) as file:
            return known.columns(file, Piece(path, path, form, 0, 0), source)
    except (OSError, *DAMAGED) as error:
        why = getattr(error, "strerror", None) or error
        raise SpecError(f"source {source.name}: {path} cannot be read: {why}") from error
