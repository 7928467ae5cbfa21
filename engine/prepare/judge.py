"""The steps that need all rows: duplicates, parts, balance, and how often each source is seen.

One rank does this. It reads the shards' texts once, in their order, and keeps none.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128_digest

from ...agents.errors import SpecError
from ..data.nearduplicates import Likeness, NearDuplicates
from .account import StepAccount
from .rowtable import RowTable, batches
from .spec import Prepare
from .steps.balance import balanced, repeats
from .steps.split import PARTS, TRAIN, divided, stratified

KEPT, EXACT, NEAR, BALANCED, WEIGHED = range(5)
STEP_OF: Final = {EXACT: "exact", NEAR: "near", BALANCED: "balance", WEIGHED: "weight"}
"""Which step dropped a row, by what is noted for it."""

ANY: Final = "any"
"""The part of a source whose rows are divided."""


class Judged(msgspec.Struct):
    """What becomes of every row, in the order of the shards."""

    dropped: NDArray[np.uint8]
    """Which step did so, uint8 [rows]; `KEPT` for none."""

    like: NDArray[np.int64]
    """For a duplicate the first row that says the same, int64 [rows]; else the row itself."""

    part: NDArray[np.uint8]
    """Place in `PARTS`, uint8 [rows]."""

    times: NDArray[np.int64]
    """How often it stands there, int64 [rows]."""

    source: NDArray[np.int64]
    """Place of each row's source in the spec, int64 [rows]."""

    labels: list[str]
    """All there are among the rows that stay, in order."""

    conflicts: int
    """Texts that stand there twice with different labels."""

    steps: list[StepAccount]


def judge(shards: Sequence[tuple[int, Path]], asked: Prepare) -> Judged:
    """Looks at all rows together.

    Args:
        shards: the source of each, and its rows.
        asked: the spec.

    Raises:
        SpecError: no row is left, or too few labels for what is asked.
    """
    table = RowTable()
    search = _Duplicates(asked)
    for number, path in shards:
        for batch in batches(path):
            texts = batch.column("text").to_pylist() if search.needed else []
            search.add(texts, len(table))
            table.add(batch, number, asked.split.group)
            search.compare_labels(table, batch.num_rows)
    if not len(table):
        raise SpecError(
            "$.prepare: no row is left to be judged; see aside.jsonl and the log for why, and make "
            "the steps milder or mend `columns`"
        )
    dropped, like = search.found(len(table))
    steps = search.accounts(dropped)
    stays = dropped == KEPT
    label, source = table.label, table.source
    _check_labels(asked, table, label[stays])
    began = time.perf_counter()
    free = stays & _undecided(table, asked)
    part = np.where(free, _parts(table, label, free, asked), _fixed(table, asked))
    steps.append(_split_account(part[stays], time.perf_counter() - began))
    times = np.where(stays, 1, 0)
    for make in (_balance, _weigh):
        account = make(table, asked, dropped, part, times)
        if account is not None:
            steps.append(account)
    names = sorted({table.labels[one] for one in np.unique(label[stays]).tolist() if one >= 0})
    return Judged(dropped, like, part, times, source, names, search.conflicts, steps)


class _Duplicates:
    """The steps `exact` and `near`, which see each text once."""

    def __init__(self, asked: Prepare) -> None:
        near = asked.near
        self._exact = "exact" in asked.steps
        self._near = "near" in asked.steps
        self.needed = self._exact or self._near
        self.conflicts = 0
        self._first: dict[bytes, int] = {}
        self._like: list[int] = []
        self._search = NearDuplicates(Likeness(near.threshold, near.words, near.permutations))
        self._numbers: list[int] = []
        """Of the rows that the search for near duplicates was given."""

        self._seconds = {"exact": 0.0, "near": 0.0}

    def add(self, texts: list[str], begin: int) -> None:
        new = texts
        if self._exact:
            began = time.perf_counter()
            new = []
            for number, text in enumerate(texts, begin):
                first = self._first.setdefault(xxh3_128_digest(text.encode()), number)
                self._like.append(first)
                if first == number:
                    new.append(text)
                    self._numbers.append(number)
            self._seconds["exact"] += time.perf_counter() - began
        else:
            self._numbers += range(begin, begin + len(texts))
        if self._near:
            began = time.perf_counter()
            self._search.add(new)
            self._seconds["near"] += time.perf_counter() - began

    def compare_labels(self, table: RowTable, count: int) -> None:
        """Counts rows that repeat an earlier text with another label."""
        if self._exact:
            for number in range(len(table) - count, len(table)):
                self.conflicts += table.label_at(number) != table.label_at(self._like[number])

    def found(self, rows: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Which step dropped each row, and the row that it repeats."""
        dropped = np.full(rows, KEPT, np.uint8)
        like = np.arange(rows)
        if self._exact:
            like = np.array(self._like, np.int64)
            dropped[like != np.arange(rows)] = EXACT
        if self._near:
            began = time.perf_counter()
            numbers = np.array(self._numbers, np.int64)
            first = numbers[self._search.found().first]
            dropped[numbers[first != numbers]] = NEAR
            like[numbers] = first
            self._seconds["near"] += time.perf_counter() - began
        return dropped, like

    def accounts(self, dropped: NDArray[np.uint8]) -> list[StepAccount]:
        accounts = []
        left = len(dropped)
        for number, wanted in ((EXACT, self._exact), (NEAR, self._near)):
            if wanted:
                name = STEP_OF[number]
                gone = int((dropped == number).sum())
                account = StepAccount(name, left, left - gone, seconds=self._seconds[name])
                if number == EXACT and self.conflicts:
                    account.counts = {"repeated with another label": self.conflicts}
                accounts.append(account)
                left -= gone
        return accounts


def _check_labels(asked: Prepare, table: RowTable, label: NDArray[np.int64]) -> None:
    wanted = {"balance": "balance" in asked.steps, "split.by": asked.split.by == "stratified"}
    found, rows = np.unique(label, return_counts=True)
    for key, needed in wanted.items():
        if needed and len(found) < 2:
            only = f'"{table.labels[int(found[0])]}" ({int(rows[0])} rows)'
            raise SpecError(f"$.prepare.{key}: needs two labels or more, the data has only {only}")


def _parts(
    table: RowTable, label: NDArray[np.int64], stays: NDArray[np.bool_], asked: Prepare
) -> NDArray[np.uint8]:
    split = asked.split
    if split.by == "group":
        return divided(table.groups, split)
    if split.by == "hash":
        return divided(table.ids, split)
    # Those that go must not count for the shares of those that stay.
    own = np.flatnonzero(stays)
    part = np.full(len(table), TRAIN, np.uint8)
    part[own] = stratified([table.ids[at] for at in own.tolist()], label[own], split)
    return part


def _undecided(table: RowTable, asked: Prepare) -> NDArray[np.bool_]:
    """The rows of sources that name no part: bool [rows]."""
    return np.array([source.part == ANY for source in asked.sources])[table.source]


def _fixed(table: RowTable, asked: Prepare) -> NDArray[np.uint8]:
    """The part that each row's source names, TRAIN without: uint8 [rows]."""
    parts = [TRAIN if source.part == ANY else PARTS.index(source.part) for source in asked.sources]
    return np.array(parts, np.uint8)[table.source]


def _split_account(part: NDArray[np.uint8], seconds: float) -> StepAccount:
    counts = {name: int((part == number).sum()) for number, name in enumerate(PARTS)}
    return StepAccount("split", len(part), len(part), seconds=seconds, counts=counts)


def _balance(
    table: RowTable,
    asked: Prepare,
    dropped: NDArray[np.uint8],
    part: NDArray[np.uint8],
    times: NDArray[np.int64],
) -> StepAccount | None:
    if "balance" not in asked.steps:
        return None
    began = time.perf_counter()
    own = np.flatnonzero((dropped == KEPT) & (part == TRAIN))
    gone = own[
        ~balanced([table.ids[at] for at in own.tolist()], table.label[own], asked.balance.most)
    ]
    dropped[gone], times[gone] = BALANCED, 0
    account = StepAccount("balance", len(own), len(own) - len(gone))
    for label, count in zip(*np.unique(table.label[gone], return_counts=True), strict=True):
        account.count(f"of {table.labels[int(label)]}", int(count))
    account.seconds = time.perf_counter() - began
    return account


def _weigh(
    table: RowTable,
    asked: Prepare,
    dropped: NDArray[np.uint8],
    part: NDArray[np.uint8],
    times: NDArray[np.int64],
) -> StepAccount | None:
    weights = np.array([source.weight for source in asked.sources])
    if np.all(weights == 1):
        return None
    began = time.perf_counter()
    own = np.flatnonzero((dropped == KEPT) & (part == TRAIN))
    times[own] = repeats([table.ids[at] for at in own.tolist()], weights[table.source[own]])
    dropped[own[times[own] == 0]] = WEIGHED
    account = StepAccount("weight", len(own), int(times[own].sum()))
    account.seconds = time.perf_counter() - began
    return account
