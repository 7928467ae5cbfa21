"""Parquet, read batch by batch, and of it only the columns that the spec names."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from ....agents.errors import SpecError
from ..rows import Piece, Record, Records

if TYPE_CHECKING:
    from ..spec import Source

BATCH = 1000
"""Rows."""


def read(file: BinaryIO, piece: Piece, source: Source) -> Records:
    """The rows, by their number from 1.

    Raises:
        SpecError: the file is no Parquet, or damaged; a part of it cannot be told from the rest.
    """
    from pyarrow import ArrowException  # type: ignore[import-untyped]
    from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]

    try:
        whole = ParquetFile(file)
        wanted = {source.text_column, *source.columns.values()}
        known = [name for name in whole.schema_arrow.names if name in wanted]
        number = 0
        for batch in whole.iter_batches(batch_size=BATCH, columns=known):
            for values in batch.to_pylist():
                number += 1
                yield Record(str(number), values)
    except (ArrowException, OSError) as error:
        raise SpecError(f"{piece.path}: cannot be read as Parquet: {error}") from error


def columns(file: BinaryIO, piece: Piece, _source: Source) -> list[str] | None:
    """Those of its schema."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        return list(ParquetFile(file).schema_arrow.names)
    except (ArrowException, OSError) as error:
        raise SpecError(f"{piece.path}: cannot be read as Parquet: {error}") from error
