"""Reads and cleans one shard, batch by batch: what is held does not grow with the shard.

shards/00012.parquet   the rows that the steps left
shards/00012.jsonl     the rows kept aside, each with its place
shards/00012.json      the account, written last
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow.parquet import ParquetWriter  # type: ignore[import-untyped]
from xxhash import xxh3_128_hexdigest

from .account import Sample, Shape, ShardAccount, StepAccount
from .plan import Shard
from .rows import SHOWN, Aside, Row, beginning, place_of
from .sources.formats import records
from .sources.mapping import row_of
from .spec import OWN, Prepare, Source
from .steps.contamination import Contaminated
from .steps.normalise import Normalise
from .steps.outcome import TextStep
from .steps.personal import Personal, masked
from .steps.quality import QualityRules

MOST_ROWS: Final = 1000
MOST_CHARACTERS: Final = 1 << 22
"""Of a batch, whichever is reached first."""

ID_DIGITS: Final = 16

TEXT_STEPS: Final[dict[str, Callable[[Prepare], TextStep]]] = {
    "normalise": lambda _: Normalise(),
    "quality": lambda asked: QualityRules(asked.quality),
    "contamination": lambda asked: Contaminated(asked.contamination),
    "personal": lambda _: Personal(),
}
"""The steps that look at one text at a time, in the order in which they go."""


def text_steps(asked: Prepare) -> list[TextStep]:
    """Those that the spec asks for, ready to be used on any number of shards."""
    return [make(asked) for name, make in TEXT_STEPS.items() if name in asked.steps]


def identity(text: str) -> str:
    """The `id` of a row: the same for the same text wherever it stands."""
    return xxh3_128_hexdigest(text.encode())[:ID_DIGITS]


def extra_columns(asked: Prepare) -> list[str]:
    """The columns that some source adds to those that every dataset has."""
    named = {name for source in asked.sources for name in source.columns}
    return sorted(named - {"text", "label"})


def schema(asked: Prepare) -> pa.Schema:
    """Of the rows, in shards and in the dataset."""
    names = [*OWN, "text", "label", *extra_columns(asked)]
    return pa.schema([(name, pa.string()) for name in names])


class Cleaner:
    """What one rank uses for all of its shards."""

    def __init__(self, asked: Prepare, folder: Path) -> None:
        self._asked = asked
        self._steps = text_steps(asked)
        self._schema = schema(asked)
        self._folder = folder

    def clean(self, number: int, shard: Shard) -> ShardAccount:
        """Does all that can be done to a shard by itself, and keeps it.

        Raises:
            SpecError: a file of it is gone, changed or cannot be read.
        """
        one = _OneShard(self._asked, shard, number)
        steps = [StepAccount(step.name) for step in self._steps]
        place = self._folder / f"{number:05}.parquet"
        part = place.with_suffix(".part")
        with (
            one.aside_to(place.with_suffix(".jsonl")),
            ParquetWriter(part, self._schema, compression="zstd") as out,
        ):
            for rows in one.batches():
                for step, account in zip(self._steps, steps, strict=True):
                    rows = self._applied(step, account, rows)
                if rows:
                    out.write_table(self._table(rows, one.source.name))
                for row in rows:
                    one.account.after.see(len(row.text), row.label)
        part.replace(place)
        one.account.steps += steps
        _write(place.with_suffix(".json"), msgspec.json.encode(one.account))
        return one.account

    def _applied(self, step: TextStep, account: StepAccount, rows: list[Row]) -> list[Row]:
        began = time.perf_counter()
        left = []
        for row, outcome in zip(rows, step([row.text for row in rows]), strict=True):
            for name, count in outcome.counts.items():
                account.count(name, count)
            if outcome.text is None:
                account.count(outcome.why)
                self._show(account, row, outcome.why, row.text)
                continue
            if outcome.text != row.text:
                account.changed += 1
                self._show(account, row, "changed", outcome.text)
                row.text = outcome.text
            left.append(row)
        account.before += len(rows)
        account.after += len(left)
        account.seconds += time.perf_counter() - began
        return left

    def _show(self, account: StepAccount, row: Row, why: str, text: str) -> None:
        if len(account.samples) < self._asked.samples:
            begin = 0 if text is row.text else _apart(row.text, text)
            if "personal" in self._asked.steps:
                # What the dataset must not hold must not stand in its report.
                text, _ = masked(text)
            account.samples.append(Sample(row.place, why, beginning(text[begin:])))

    def _table(self, rows: list[Row], source: str) -> pa.Table:
        columns = {
            "id": [identity(row.text) for row in rows],
            "source": [source] * len(rows),
            "place": [row.place for row in rows],
            "text": [row.text for row in rows],
            "label": [row.label for row in rows],
        }
        columns |= {
            name: [row.more.get(name) for row in rows]
            for name in self._schema.names
            if name not in columns
        }
        return pa.table(columns, schema=self._schema)


class _OneShard:
    """Reads a shard and keeps its account."""

    def __init__(self, asked: Prepare, shard: Shard, number: int) -> None:
        self._shard = shard
        self.source: Source = asked.sources[shard.source]
        self._masks = "personal" in asked.steps
        self._aside: Path | None = None
        self._lines: list[bytes] = []
        self._reading = StepAccount("read")
        self.account = ShardAccount(
            number, shard.source, _size(shard), 0, {}, [self._reading], Shape(), Shape()
        )

    def aside_to(self, path: Path) -> "_AsideFile":
        self._file = _AsideFile(path)
        return self._file

    def batches(self) -> Iterator[list[Row]]:
        batch: list[Row] = []
        size = 0
        began = time.perf_counter()
        for row in self._rows():
            batch.append(row)
            size += len(row.text)
            if len(batch) == MOST_ROWS or size >= MOST_CHARACTERS:
                self._reading.seconds += time.perf_counter() - began
                yield batch
                batch, size, began = [], 0, time.perf_counter()
        self._reading.seconds += time.perf_counter() - began
        if batch:
            yield batch

    def _rows(self) -> Iterator[Row]:
        for piece in self._shard.pieces:
            for found in records(piece, self.source):
                self._reading.before += 1
                row = found if isinstance(found, Aside) else row_of(found, piece, self.source)
                if isinstance(row, Aside):
                    self._keep_aside(row, place_of(piece.name, row.at))
                    continue
                self._reading.after += 1
                self.account.before.see(len(row.text), row.label)
                yield row

    def _keep_aside(self, row: Aside, place: str) -> None:
        self.account.aside += 1
        reason = re.sub(r"\d[\d,]*", "…", row.why)
        self.account.reasons[reason] = self.account.reasons.get(reason, 0) + 1
        began = masked(row.beginning)[0] if self._masks else row.beginning
        self._file.write(
            {"place": place, "source": self.source.name, "why": row.why, "beginning": began}
        )


class _AsideFile:
    """JSON lines in a file that has its name when it is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_suffix(".aside")

    def __enter__(self) -> "_AsideFile":
        self._out = self._part.open("wb")
        return self

    def __exit__(self, kind: object, _error: object, _trace: object) -> None:
        self._out.close()
        if kind is None:
            self._part.replace(self._path)

    def write(self, row: dict[str, str]) -> None:
        self._out.write(msgspec.json.encode(row) + b"\n")


def read_account(path: Path) -> ShardAccount | None:
    """The account of a shard that is whole; None if there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ShardAccount)
    except FileNotFoundError:
        return None


def reasons(accounts: Iterable[ShardAccount]) -> dict[str, int]:
    """Rows kept aside in all shards, the most frequent reason first."""
    counted: Counter[str] = Counter()
    for account in accounts:
        counted.update(account.reasons)
    return dict(counted.most_common())


def _apart(before: str, after: str) -> int:
    """Where a person should begin to read, to see how the two differ."""
    pairs = enumerate(zip(before, after, strict=False))
    return max(next((at for at, (a, b) in pairs if a != b), 0) - SHOWN // 4, 0)


def _size(shard: Shard) -> int:
    return sum((p.size if p.end < 0 else p.end) - p.begin for p in shard.pieces)


def _write(path: Path, data: bytes) -> None:
    part = path.with_suffix(".json.part")
    part.write_bytes(data)
    part.replace(path)
