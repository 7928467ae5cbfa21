"""The files of an artifact, one a row, in the order of their paths."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from ...agents.protocol.artifacts import ALGORITHM, FileDigest
from ..quantities import kibibytes
from ..widgets.pen import Cell, Pen
from ..widgets.table import Column, Row, Rows
from .cells import words
from .order import ranks


def size_cell(row: Row, width: int, pen: Pen) -> Cell:
    """How much a file holds; an empty one is empty, not unknown."""
    return pen.text(kibibytes(row["size"] / 1024), width, pen.roles.text, right=True)


COLUMNS: Final = (
    Column("path", "FILE", 20, words("path"), stretch=1, rank=0),
    Column("size", "SIZE", 6, size_cell, rank=1, right=True),
    Column(
        "digest",
        ALGORITHM.upper(),
        12,
        words("digest", "dim"),
        rank=2,
        meaning="The first digits of the file's digest: the same of two files, they are the same",
    ),
)


class FileTable:
    """The files of one artifact; a row is a file's position in its manifest."""

    columns: Sequence[Column] = COLUMNS

    def __init__(self) -> None:
        self._files: Sequence[FileDigest] = ()

    def show(self, files: Sequence[FileDigest]) -> None:
        """Show these."""
        self._files = files

    def arrange(self, sort: str, descending: bool, text: str) -> Rows:
        """Files whose path contains the words of `text`."""
        wanted = text.lower().split()
        rows = [
            row
            for row, file in enumerate(self._files)
            if all(word in file.path.lower() for word in wanted)
        ]
        order = np.array(rows, np.int64)
        if not sort:
            return order[::-1] if descending else order
        return order[ranks([row.get(sort) for row in self.rows(rows)], descending)]

    def rows(self, wanted: Sequence[int]) -> Sequence[Row]:
        """What the columns paint."""
        return [
            {"path": file.path, "size": file.size, "digest": file.digest.partition(":")[2][:12]}
            for file in (self._files[row] for row in wanted)
        ]
