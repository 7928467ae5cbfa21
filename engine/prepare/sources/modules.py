"""A Python module with a table of texts under its own last name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from ....agents.errors import SpecError
from ..paths import MODULE
from ..rows import Piece, Record, Records

if TYPE_CHECKING:
    from ..spec import Source


def read(piece: Piece, _source: Source) -> Records:
    """Each text with its `name`. The module is imported: its code runs.

    Raises:
        SpecError: it cannot be imported, or has no such table.
    """
    name = piece.path.removeprefix(MODULE)
    try:
        table = getattr(import_module(name), name.rpartition(".")[2], None)
    except ImportError as error:
        raise SpecError(f"{piece.path}: {error}") from None
    if not isinstance(table, Mapping) or not table:
        raise SpecError(f"{piece.path}: holds no table of texts of that name")
    for key, text in table.items():
        yield Record(str(key), {"name": str(key), "text": text})
