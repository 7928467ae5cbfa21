"""Reads a dataset: a folder with `dataset.json` and Parquet files by part, as `prepare` makes it.

Free of torch and numpy, and of pyarrow until rows are read.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

import msgspec

from ...agents.errors import SpecError

SOURCE: Final = "$.train.data.source"
DESCRIPTION: Final = "dataset.json"
FORMAT: Final = 1
"""Of the description."""


class Part(msgspec.Struct, frozen=True):
    """One part, as train, valid or test."""

    rows: int
    files: list[str]
    """Parquet files in the folder."""


class Dataset(msgspec.Struct, frozen=True):
    """What `dataset.json` says."""

    format: int
    columns: dict[str, str]
    """Type by name."""

    parts: dict[str, Part]
    label: str | None = None
    """The column with the label."""

    labels: list[str] | None = None
    """All that there are, in a stable order."""


class Row(msgspec.Struct, frozen=True):
    """One row, as a model needs it."""

    id: str
    value: Any
    """The text (str) or the image's file (bytes); None where it is missing."""

    label: str | None


def described(folder: Path, where: str = SOURCE) -> Dataset:
    """The description in a dataset's folder, which the spec names at `where`.

    Raises:
        SpecError: it is missing, cannot be read, or names files that are not in the folder.
    """
    place = folder / DESCRIPTION
    try:
        dataset = msgspec.json.decode(place.read_bytes(), type=Dataset)
    except OSError:
        raise SpecError(
            f"{where}: {folder} has no {DESCRIPTION}; name the folder of a dataset"
        ) from None
    except msgspec.MsgspecError as error:
        raise SpecError(f"{where}: {place}: {error}") from None
    if dataset.format != FORMAT:
        raise SpecError(f"{where}: {place}: expected format {FORMAT}, got {dataset.format}")
    for part in dataset.parts.values():
        for name in part.files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or not (folder / name).is_file():
                raise SpecError(f"{where}: {folder} has no file {name!r}; copy it, too")
    return dataset


def rows(folder: Path, dataset: Dataset, part: str, column: str) -> Iterator[Row]:
    """All rows of a part, in the order of its files, a batch of them in memory at once.

    Raises:
        SpecError: a file that is no Parquet or lacks a column; or rows are missing.
    """
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    assert dataset.label is not None  # noqa: S101 - checked when the job was submitted
    wanted = ["id", column, dataset.label]
    count = 0
    for name in dataset.parts[part].files:
        try:
            with parquet.ParquetFile(folder / name) as file:
                absent = [column for column in wanted if column not in file.schema_arrow.names]
                if absent:
                    raise SpecError(f'{SOURCE}: {folder / name} has no column "{absent[0]}"')
                for batch in file.iter_batches(batch_size=1024, columns=wanted):
                    columns = (batch.column(name).to_pylist() for name in wanted)
                    for name_of, value, label in zip(*columns, strict=True):
                        count += 1
                        yield Row(str(name_of), value, None if label is None else str(label))
        except (OSError, pa.ArrowException) as error:
            raise SpecError(f"{SOURCE}: {folder / name}: cannot be read: {error}") from None
    if count != dataset.parts[part].rows:
        raise SpecError(
            f'{SOURCE}: {folder}: expected {dataset.parts[part].rows} rows in "{part}", '
            f"found {count}; prepare it again"
        )
