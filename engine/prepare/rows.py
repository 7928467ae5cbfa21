"""What goes through the steps, and what is kept aside."""

from collections.abc import Iterator, Mapping

import msgspec


class Piece(msgspec.Struct, frozen=True):
    """A file, or a range of one that begins and ends with a line."""

    name: str
    """What its rows call it."""

    path: str
    format: str
    size: int
    """Bytes of the whole file, when it was planned; 0 for what is no file."""

    changed: int
    """When it was last written, in ns since 1970."""

    begin: int = 0
    end: int = -1
    """Bytes; -1 for the end of the file."""

    line: int = 1
    """The number of the first line."""


class Record(msgspec.Struct):
    """One row as the file has it."""

    at: str
    """Which of its file: a line's number, a row's, or a name; "" if the file is one row."""

    values: Mapping[str, object]


class Aside(msgspec.Struct):
    """A row that cannot be used. It is counted, kept with its place, and the rest goes on."""

    at: str
    why: str
    beginning: str = ""
    """The first characters, for a person."""


class Row(msgspec.Struct):
    """One row of the dataset."""

    place: str
    """FILE:LINE, as "reviews/a.csv:17"."""

    text: str
    label: str | None = None
    more: dict[str, str | None] = {}
    """Further columns that the spec names."""


Records = Iterator[Record | Aside]

SHOWN = 200
"""Characters of a row that are kept aside with it, or shown in a report."""


def place_of(name: str, at: str) -> str:
    """Where something stands, for a person."""
    return f"{name}:{at}" if at else name


def beginning(raw: bytes | str) -> str:
    """What a person sees of a row, whatever its bytes are."""
    text = raw[: 4 * SHOWN].decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
    return text[:SHOWN].strip().encode("utf-8", "backslashreplace").decode()
