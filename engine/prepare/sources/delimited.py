"""CSV: a head with the columns' names, then a record for each row (RFC 4180).

A field in quotes may hold line ends, so a quote too many would swallow the rest of the file. What
begins with a line and does not come out as a record is the fault of that line: it alone is kept
aside, and reading goes on with the next.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from typing import TYPE_CHECKING, BinaryIO, Final

from ....agents.errors import SpecError
from ..rows import Aside, Piece, Record, Records, beginning
from .lines import numbered, too_long

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..spec import Source

MOST_LINES: Final = 1000
"""Of a record. A quote that is not closed until then is taken for a slip."""

Line = tuple[int, bytes, int]


class Broken(Exception):
    """No record; the message says why."""


def read(file: BinaryIO, piece: Piece, source: Source) -> Records:
    """The records after the head; lines that are no part of one are kept aside.

    Raises:
        SpecError: the head cannot be read, or names a column twice.
    """
    csv.field_size_limit(source.longest)
    lines = _Lines(numbered(file, piece, source.longest))
    head = _head(lines, piece, source)
    while lines.peek(0) is not None:
        number, line, size = lines.first()
        if size > source.longest:
            lines.drop(1)
            yield Aside(str(number), too_long(size, source.longest), beginning(line))
        elif not line.strip():
            lines.drop(1)
        else:
            yield _next(lines, head, source, piece)


def columns(file: BinaryIO, piece: Piece, source: Source) -> list[str] | None:
    """Those that the head names; None for a file without a line."""
    csv.field_size_limit(source.longest)
    lines = _Lines(numbered(file, piece, source.longest))
    return None if lines.peek(0) is None else _head(lines, piece, source)


class _Lines:
    """Lines that can be looked at before they are taken."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._ahead: deque[Line] = deque()

    def peek(self, ahead: int) -> Line | None:
        while len(self._ahead) <= ahead:
            line = next(self._lines, None)
            if line is None:
                return None
            self._ahead.append(line)
        return self._ahead[ahead]

    def first(self) -> Line:
        return self._ahead[0]

    def drop(self, count: int) -> None:
        for _ in range(count):
            self._ahead.popleft()


def _head(lines: _Lines, piece: Piece, source: Source) -> list[str]:
    if lines.peek(0) is None:
        return []
    try:
        fields, count = _record(lines, source, piece)
    except Broken as error:
        raise SpecError(f"{piece.path}:1: has no head with the columns' names: {error}") from None
    lines.drop(count)
    names = [field.removeprefix("\ufeff").strip() for field in fields]
    if len(set(names)) != len(names):
        raise SpecError(f"{piece.path}:1: names a column twice; rename one")
    return names


def _next(lines: _Lines, head: list[str], source: Source, piece: Piece) -> Record | Aside:
    number, line, _ = lines.first()
    try:
        fields, count = _record(lines, source, piece)
        if len(fields) != len(head):
            raise Broken(f"has {len(fields)} fields, expected {len(head)}")
    except Broken as error:
        lines.drop(1)
        return Aside(str(number), str(error), beginning(line))
    lines.drop(count)
    return Record(str(number), dict(zip(head, fields, strict=True)))


def _record(lines: _Lines, source: Source, piece: Piece) -> tuple[list[str], int]:
    """The fields of the record that begins here, and how many lines it has."""
    count, size = 0, 0
    parts: list[bytes] = []
    quotes = 0
    while not parts or quotes % 2:
        line = lines.peek(count)
        if line is None:
            raise Broken("has a quote that is never closed")
        parts.append(line[1])
        quotes += line[1].count(b'"')
        size += line[2]
        count += 1
        if size > source.longest or count > MOST_LINES:
            raise Broken(
                f"has a quote that is not closed within {MOST_LINES} lines and "
                f"{source.longest:,} bytes"
            )
    raw = b"".join(parts)
    try:
        text = raw.decode(source.encoding)
        delimiter = source.delimiter or ("\t" if piece.path.lower().endswith(".tsv") else ",")
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except UnicodeDecodeError as error:
        raise Broken(f"is not {source.encoding} at byte {error.start}") from None
    except csv.Error as error:
        raise Broken(f"is no CSV: {error}") from None
    if len(records) != 1:
        raise Broken("has a line end outside of quotes")
    return records[0], count
