"""A Python module with a table of texts under its own last name, or a function of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from ....agents.errors import SpecError
from ..paths import MODULE
from ..rows import Aside, Piece, Record, Records

if TYPE_CHECKING:
    from ..spec import Source


def read(piece: Piece, _source: Source) -> Records:
    """Each text with its `name`, or what the function gives. The module is imported: its code runs.

    Raises:
        SpecError: it cannot be imported, or has no such table or function.
    """
    name, _, function = piece.path.removeprefix(MODULE).partition(":")
    wanted = function or name.rpartition(".")[2]
    try:
        found = getattr(import_module(name), wanted, None)
        if function and callable(found):
            yield from _rows(found())
            return
    except ImportError as error:
        raise SpecError(f"{piece.path}: {error}") from None
    if function:
        raise SpecError(f"{piece.path}: has no function {function}")
    if not isinstance(found, Mapping) or not found:
        raise SpecError(f"{piece.path}: holds no table of texts of that name")
    for key, text in found.items():
        yield Record(str(key), {"name": str(key), "text": text})


def columns(piece: str) -> list[str] | None:
    """Of a table; None of a function, which would have to run."""
    return None if ":" in piece.removeprefix(MODULE) else ["name", "text"]


def _rows(given: Iterator[object]) -> Records:
    for number, row in enumerate(given, 1):
        if isinstance(row, Mapping):
            yield Record(str(number), row)
        else:
            yield Aside(str(number), "is no dict", repr(row)[:200])
