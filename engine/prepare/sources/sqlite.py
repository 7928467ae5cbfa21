"""A table of an SQLite database, opened to be read only."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ....agents.errors import SpecError
from ...nearest import hint
from ..rows import Aside, Piece, Record, Records, beginning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..spec import Source


def read(_file: BinaryIO, piece: Piece, source: Source) -> Records:
    """The rows, by their number from 1, of the one table or the named one.

    Raises:
        SpecError: there is no such table, or the database cannot be read.
    """
    with _opened(piece) as database:
        rows = database.execute(f"SELECT * FROM {_quoted(_table(database, piece, source))}")  # noqa: S608
        names = [column[0] for column in rows.description]
        for number, values in enumerate(rows, 1):
            yield _record(str(number), dict(zip(names, values, strict=True)), source)


def columns(_file: BinaryIO, piece: Piece, source: Source) -> list[str] | None:
    """Those of the table."""
    with _opened(piece) as database:
        rows = database.execute(
            f"SELECT * FROM {_quoted(_table(database, piece, source))} LIMIT 0"  # noqa: S608
        )
        return [column[0] for column in rows.description]


def _record(at: str, values: dict[str, object], source: Source) -> Record | Aside:
    for name, value in values.items():
        if isinstance(value, bytes):
            try:
                values[name] = value.decode(source.encoding)
            except UnicodeDecodeError as error:
                if name in (source.text_column, *source.columns.values()):
                    why = f"column {name} is not {source.encoding} at byte {error.start}"
                    return Aside(at, why, beginning(value))
    return Record(at, values)


@contextlib.contextmanager
def _opened(piece: Piece) -> Iterator[sqlite3.Connection]:
    database = None
    try:
        database = sqlite3.connect(f"{Path(piece.path).as_uri()}?mode=ro", uri=True)
        # Text that is no UTF-8 would end the reading: it comes as bytes.
        database.text_factory = bytes
        yield database
    except sqlite3.Error as error:
        raise SpecError(f"{piece.path}: cannot be read as an SQLite database: {error}") from error
    finally:
        if database is not None:
            database.close()


def _table(database: sqlite3.Connection, piece: Piece, source: Source) -> str:
    found = database.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
        "AND name NOT LIKE 'sqlite_%'"
    )
    names = [row[0].decode() for row in found]
    if source.table is not None and source.table not in names:
        raise SpecError(f"{piece.path}: has no table {hint(source.table, names)}")
    if source.table is None and len(names) != 1:
        raise SpecError(
            f"{piece.path}: has {len(names)} tables; name one in `table`: {', '.join(names)}"
        )
    return source.table or names[0]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
