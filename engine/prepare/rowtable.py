"""What stays in memory of all rows while they are judged together: some hundred bytes of each."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray
from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]

BATCH: Final = 1000
"""Rows that are read at a time."""


class RowTable:
    """Ids, labels, sources and groups, in the order of the shards."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.groups: list[str] = []
        self.labels: list[str] = []
        """Each once; a row has its place here."""

        self._places: dict[str | None, int] = {None: -1}
        self._label: list[int] = []
        self._source: list[int] = []

    def add(self, batch: pa.RecordBatch, source: int, group: str | None) -> None:
        """Takes the next rows, all of one source."""
        self.ids += batch.column("id").to_pylist()
        for label in batch.column("label").to_pylist():
            if label not in self._places:
                self._places[label] = len(self.labels)
                self.labels.append(label)
            self._label.append(self._places[label])
        self._source += [source] * batch.num_rows
        if group is not None:
            named = batch.column(group).to_pylist()
            own = self.ids[-batch.num_rows :]
            # A row without a group is a group of its own.
            self.groups += [
                f"\0{row}" if one is None else one for one, row in zip(named, own, strict=True)
            ]

    def label_at(self, number: int) -> int:
        """The place of one row's label, -1 without."""
        return self._label[number]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def label(self) -> NDArray[np.int64]:
        """The place of each row's label, -1 without: int64 [rows]."""
        return np.array(self._label, np.int64)

    @property
    def source(self) -> NDArray[np.int64]:
        """The place of each row's source in the spec: int64 [rows]."""
        return np.array(self._source, np.int64)


def batches(shard: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of a shard, some at a time."""
    with ParquetFile(shard) as file:
        yield from file.iter_batches(batch_size=BATCH, columns=columns)
