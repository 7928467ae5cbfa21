"""Puts the rows that stay into the parts of a dataset, and gathers samples of those that went."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from .account import Sample, Shape
from .dataset import DatasetWriter
from .judge import EXACT, KEPT, NEAR, STEP_OF, Judged
from .rows import beginning
from .rowtable import batches
from .shard import schema
from .spec import Prepare
from .steps.split import PARTS

LABEL: Final = "label"


class Assembled(msgspec.Struct):
    """What was written."""

    parts: dict[str, Shape]
    samples: dict[str, list[Sample]]
    """Of what each step that sees all rows dropped."""


def assemble(shards: Sequence[Path], judged: Judged, asked: Prepare, folder: Path) -> Assembled:
    """Writes the dataset's files and dataset.json; rows stand in the order of the shards.

    Args:
        shards: the rows, in the order in which they were judged.
        judged: what becomes of each.
        asked: the spec.
        folder: is there, and empty.
    """
    made = Assembled({name: Shape() for name in PARTS}, {})
    samples = _Samples(judged, asked.samples)
    begin = 0
    with DatasetWriter(folder, schema(asked), PARTS) as writer:
        for path in shards:
            for batch in batches(path):
                rows = slice(begin, begin + batch.num_rows)
                samples.look(batch, begin)
                for number, name in enumerate(PARTS):
                    times = np.where(judged.part[rows] == number, judged.times[rows], 0)
                    at = np.repeat(np.arange(batch.num_rows), times)
                    own = pa.Table.from_batches([batch]).take(at)
                    _see(made.parts[name], own)
                    writer.write(name, own)
                begin += batch.num_rows
        writer.describe(judged.labels)
    made.samples = samples.told()
    return made


def _see(shape: Shape, rows: Any) -> None:
    texts, labels = rows.column("text").to_pylist(), rows.column(LABEL).to_pylist()
    for text, label in zip(texts, labels, strict=True):
        shape.see(len(text), label)


class _Samples:
    """The first rows that each step dropped, with the place of what they repeat."""

    def __init__(self, judged: Judged, most: int) -> None:
        self._judged = judged
        chosen = [np.flatnonzero(judged.dropped == step)[:most] for step in STEP_OF]
        self._rows = set(np.concatenate(chosen).tolist())
        # What a row repeats comes before it: its place is known by then.
        self._firsts = {int(judged.like[row]) for row in self._rows}
        self._places: dict[int, str] = {}
        self._samples: dict[str, list[Sample]] = {}

    def look(self, batch: Any, begin: int) -> None:
        """Take what is wanted from a batch, whose first row has the number `begin`."""
        numbers = range(begin, begin + batch.num_rows)
        for number in sorted((self._rows | self._firsts).intersection(numbers)):
            self._places[number] = batch.column("place")[number - begin].as_py()
            if number in self._rows:
                text = batch.column("text")[number - begin].as_py()
                self._take(number, text)

    def told(self) -> dict[str, list[Sample]]:
        """By the name of the step."""
        return self._samples

    def _take(self, number: int, text: str) -> None:
        step = int(self._judged.dropped[number])
        why = "chosen to stay out"
        if step in (EXACT, NEAR):
            how = "the same as" if step == EXACT else "nearly the same as"
            why = f"{how} {self._places[int(self._judged.like[number])]}"
        self._samples.setdefault(STEP_OF[step], []).append(
            Sample(self._places[number], why, beginning(text))
        )


def dropped_by_source(judged: Judged, count: int) -> list[int]:
    """Rows of each of so many sources that a step which sees all rows dropped."""
    gone = judged.source[judged.dropped != KEPT]
    return [int(number) for number in np.bincount(gone, minlength=count)]
