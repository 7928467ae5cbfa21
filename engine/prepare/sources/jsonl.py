"""One JSON object a line."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from ..rows import Aside, Piece, Record, Records, beginning
from .lines import numbered, too_long

if TYPE_CHECKING:
    from ..spec import Source

FIRST: Final = 100
"""Objects by which a file's columns are told."""


def read(file: BinaryIO, piece: Piece, source: Source) -> Records:
    """The objects; a line that is none is kept aside."""
    for number, line, size in numbered(file, piece, source.longest):
        if size > source.longest:
            yield Aside(str(number), too_long(size, source.longest), beginning(line))
        elif line.strip():
            yield _record(str(number), line.removeprefix(b"\xef\xbb\xbf"), source)


def columns(file: BinaryIO, piece: Piece, source: Source) -> list[str] | None:
    """Those that the first objects have, since any may leave some out; None without an object."""
    found: dict[str, None] = {}
    for record in islice(read(file, piece, source), FIRST):
        if isinstance(record, Record):
            found |= dict.fromkeys(record.values)
    return list(found) or None


def _record(at: str, line: bytes, source: Source) -> Record | Aside:
    try:
        found = msgspec.json.decode(
            line if source.encoding == "utf-8" else line.decode(source.encoding)
        )
    except UnicodeDecodeError as error:
        return Aside(at, f"is not {source.encoding} at byte {error.start}", beginning(line))
    except (msgspec.DecodeError, RecursionError) as error:
        return Aside(at, f"is no JSON: {error}", beginning(line))
    if not isinstance(found, dict):
        return Aside(at, "is no JSON object", beginning(line))
    return Record(at, found)
