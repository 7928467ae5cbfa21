"""The rows of a dataset's part that a model is judged on."""

from pathlib import Path
from typing import Any, Final

import msgspec

from ...agents.errors import SpecError
from ..train.dataset import Dataset, described

DATA: Final = "$.evaluate.data"


class Rows(msgspec.Struct, frozen=True):
    """One part, row for row."""

    ids: list[str]
    values: list[Any]
    """Texts, or files of images as bytes."""

    labels: list[str]
    """What is right; empty where the dataset has no labels."""

    columns: dict[str, list[str]]
    """Those that figures are told apart by."""

    aside: list[str]
    """Rows that cannot be judged, one line for each."""

    def __len__(self) -> int:
        return len(self.ids)


def read(folder: Path, part: str, column: str, more: list[str], *, labelled: bool) -> Rows:
    """A part of a dataset, without the rows that lack their value or, if `labelled`, their label.

    Raises:
        SpecError: the part is missing or has no row that can be used, or a column is not there.
    """
    dataset = described(folder, DATA)
    if part not in dataset.parts or not dataset.parts[part].rows:
        raise SpecError(f'{DATA}: {folder} has no row in its part "{part}"')
    if labelled and (dataset.label is None or len(dataset.labels or []) < 2):
        raise SpecError(f"{DATA}: {folder} has not two labels to tell apart")
    label = dataset.label if labelled else None
    names = list(dict.fromkeys(["id", column, *([label] if label else []), *more]))
    rows = Rows([], [], [], {name: [] for name in more}, [])
    for row in _tables(folder, dataset, part, names):
        _take(rows, row, column, label)
    if not rows.ids:
        why = f": {rows.aside[0]}" if rows.aside else ""
        raise SpecError(f'{DATA}: {folder}: no row of "{part}" can be judged{why}')
    return rows


def _take(rows: Rows, row: dict[str, Any], column: str, label: str | None) -> None:
    name, value = str(row["id"]), row[column]
    if not isinstance(value, str | bytes) or not value.strip():
        rows.aside.append(f"{name}: column {column} is empty")
        return
    if label is not None:
        if row[label] is None:
            rows.aside.append(f"{name}: no label")
            return
        rows.labels.append(str(row[label]))
    rows.ids.append(name)
    rows.values.append(value)
    for told, values in rows.columns.items():
        values.append("" if row[told] is None else str(row[told]))


def _tables(folder: Path, dataset: Dataset, part: str, names: list[str]) -> Any:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    for file in dataset.parts[part].files:
        try:
            with parquet.ParquetFile(folder / file) as opened:
                for name in names:
                    if name not in opened.schema_arrow.names:
                        raise SpecError(f'{DATA}: {folder / file} has no column "{name}"')
                for batch in opened.iter_batches(batch_size=1024, columns=names):
                    yield from batch.to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise SpecError(f"{DATA}: {folder / file}: cannot be read: {error}") from None
