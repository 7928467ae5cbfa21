"""What a grid shows: a table of any length, its columns, and which of them fit a width."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from .pen import Cell, Pen

Row = Mapping[str, Any]
Rows = npt.NDArray[np.int64]
GAP = 1
"""Blank cells between columns."""


class Column(NamedTuple):
    """One column: how wide, how important, how it is painted and sorted."""

    key: str
    title: str
    width: int
    """Cells at the least."""

    paint: Callable[[Row, int, Pen], Cell]
    """A row's cell, of exactly the given width."""

    stretch: int = 0
    """Share of the width that is left over."""

    rank: int = 0
    """Where the width does not suffice, columns of the highest rank go first."""

    right: bool = False
    """Whether the title stands at the right, above figures."""

    meaning: str = ""
    """One line for the help, where the title does not say it all."""


class Table(Protocol):
    """The rows behind a grid."""

    @property
    def columns(self) -> Sequence[Column]:
        """The columns, the most important at the left."""

    def arrange(self, sort: str, descending: bool, text: str) -> Rows:
        """The rows that match `text`, in the order of the column `sort`; "" for the natural one."""

    def rows(self, wanted: Sequence[int]) -> Sequence[Row]:
        """What the columns paint, for the rows that are seen."""


def fit(columns: Sequence[Column], width: int) -> list[tuple[Column, int]]:
    """The columns that fit, each with its width; what is left over goes to those that stretch."""
    kept = list(columns)
    while len(kept) > 1 and sum(c.width + GAP for c in kept) - GAP > width:
        kept.remove(max(reversed(kept), key=lambda column: column.rank))
    left = max(width - sum(c.width + GAP for c in kept) + GAP, 0)
    shares = sum(column.stretch for column in kept)
    fitted = []
    for column in kept:
        extra = left * column.stretch // shares if shares else 0
        left, shares = left - extra, shares - column.stretch
        fitted.append((column, column.width + extra))
    return fitted
