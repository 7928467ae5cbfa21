"""A dataset: a folder of Parquet files by part, and `dataset.json`, which says what they are.

    {"format": 1, "columns": {"text": "string", "label": "string", …}, "label": "label",
     "labels": ["great", "other"], "report": "report.json",
     "parts": {"train": {"rows": 123, "files": ["train-00000.parquet"]}, "valid": …, "test": …}}

Every row has an `id`, 16 hex digits of the xxh3_128 of its content, and the name of its `source`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

import msgspec

from ...agents.errors import ArtifactError

DESCRIPTION: Final = "dataset.json"
REPORT: Final = "report.json"
BATCH: Final = 1000
"""Rows that are read at a time."""

ROWS_PER_FILE: Final = 100_000


class Part(msgspec.Struct, frozen=True):
    """The rows for one purpose."""

    rows: int
    files: list[str]
    """In the dataset's folder, in the order of their rows."""


class Dataset(msgspec.Struct, frozen=True):
    """What dataset.json says."""

    columns: dict[str, str]
    """The type of each column, as Arrow names it."""

    parts: dict[str, Part]
    format: Literal[1] = 1
    label: str | None = None
    """The column that holds the label."""

    labels: list[str] | None = None
    """All of them, in order."""

    report: str | None = REPORT


def read_dataset(folder: Path) -> Dataset:
    """What lies in a folder.

    Raises:
        ArtifactError: it is no dataset, or a file of it is missing.
    """
    place = folder / DESCRIPTION
    try:
        dataset = msgspec.json.decode(place.read_bytes(), type=Dataset)
    except FileNotFoundError:
        raise ArtifactError(f"{folder}: is no dataset: it has no {DESCRIPTION}") from None
    except (OSError, msgspec.DecodeError) as error:
        raise ArtifactError(f"{place}: cannot be read: {error}") from error
    for part in dataset.parts.values():
        for name in part.files:
            if Path(name).name != name or not (folder / name).is_file():
                raise ArtifactError(f"{folder}: has no file {name!r}; prepare the dataset again")
    return dataset


def read_rows(
    folder: Path, part: str, columns: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of a part one after the other; some are held at a time.

    Raises:
        ArtifactError: there is no such part or column, or a file is damaged.
    """
    from pyarrow import ArrowException  # type: ignore[import-untyped]
    from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]

    dataset = read_dataset(folder)
    if part not in dataset.parts:
        raise ArtifactError(f"{folder}: has no part {part!r}, only {', '.join(dataset.parts)}")
    for name in columns or ():
        if name not in dataset.columns:
            raise ArtifactError(
                f"{folder}: has no column {name!r}, only {', '.join(dataset.columns)}"
            )
    for file in dataset.parts[part].files:
        try:
            with ParquetFile(folder / file) as rows:
                for batch in rows.iter_batches(batch_size=BATCH, columns=columns):
                    yield from batch.to_pylist()
        except (ArrowException, OSError) as error:
            raise ArtifactError(f"{folder / file}: cannot be read: {error}") from error


class DatasetWriter:
    """Writes a dataset's files; `describe` makes it one."""

    def __init__(self, folder: Path, schema: Any, parts: Sequence[str]) -> None:
        """Write into `folder`, which is there, rows of an Arrow schema in the named parts."""
        self._folder = folder
        self._schema = schema
        self._parts = {name: _PartWriter(folder, name, schema) for name in parts}

    def __enter__(self) -> "DatasetWriter":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for part in self._parts.values():
            part.close()

    def write(self, part: str, rows: Any) -> None:
        """Append an Arrow table, or a batch, to a part."""
        self._parts[part].write(rows)

    def describe(self, labels: Sequence[str]) -> Dataset:
        """Say what was written. No row follows."""
        for part in self._parts.values():
            part.close()
        dataset = Dataset(
            columns={field.name: str(field.type) for field in self._schema},
            parts={name: part.part for name, part in self._parts.items()},
            label="label" if labels else None,
            labels=list(labels) or None,
        )
        text = msgspec.json.format(msgspec.json.encode(dataset), indent=2)
        (self._folder / DESCRIPTION).write_bytes(text + b"\n")
        return dataset


class _PartWriter:
    """One part, in files of so many rows."""

    def __init__(self, folder: Path, name: str, schema: Any) -> None:
        self._folder, self._name, self._schema = folder, name, schema
        self._files: list[str] = []
        self._rows = 0
        self._in_file = 0
        self._open: Any = None

    @property
    def part(self) -> Part:
        return Part(self._rows, list(self._files))

    def write(self, rows: Any) -> None:
        if not rows.num_rows:
            return
        if self._open is None or self._in_file >= ROWS_PER_FILE:
            self._next()
        self._open.write(rows)
        self._rows += rows.num_rows
        self._in_file += rows.num_rows

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _next(self) -> None:
        from pyarrow.parquet import ParquetWriter

        self.close()
        name = f"{self._name}-{len(self._files):05}.parquet"
        self._open = ParquetWriter(self._folder / name, self._schema, compression="zstd")
        self._files.append(name)
        self._in_file = 0
