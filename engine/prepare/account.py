"""What was done to the rows, counted: by the shard, and added up for the report."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

LENGTHS: Final = 24
"""Bins of texts' lengths: bin n holds those of 2ⁿ to 2ⁿ⁺¹ - 1 characters."""


class Sample(msgspec.Struct, frozen=True):
    """A row that a step dropped or changed."""

    place: str
    why: str
    text: str
    """Its beginning."""


class StepAccount(msgspec.Struct):
    """One step."""

    name: str
    before: int = 0
    """Rows in."""

    after: int = 0
    """Rows out."""

    changed: int = 0
    """Rows whose text it changed."""

    seconds: float = 0.0
    """Of all ranks together."""

    counts: dict[str, int] = {}
    """Dropped rows by reason, or findings by sort."""

    samples: list[Sample] = []

    def count(self, name: str, more: int = 1) -> None:
        """Adds to one of the counts."""
        self.counts[name] = self.counts.get(name, 0) + more

    def add(self, other: "StepAccount", samples: int) -> None:
        """Takes in the account of the same step in another shard, with so many samples at most."""
        self.before += other.before
        self.after += other.after
        self.changed += other.changed
        self.seconds += other.seconds
        for name, count in other.counts.items():
            self.count(name, count)
        self.samples = [*self.samples, *other.samples][:samples]


class Shape(msgspec.Struct):
    """What a number of rows looks like."""

    rows: int = 0
    characters: int = 0
    lengths: list[int] = []
    """Rows by the length of their text: see `LENGTHS`."""

    labels: dict[str, int] = {}

    def see(self, length: int, label: str | None, times: int = 1) -> None:
        """Counts a row with a text of that many characters."""
        self.rows += times
        self.characters += length * times
        if not self.lengths:
            self.lengths = [0] * LENGTHS
        self.lengths[min(max(length.bit_length() - 1, 0), LENGTHS - 1)] += times
        if label is not None:
            self.labels[label] = self.labels.get(label, 0) + times

    def add(self, other: "Shape") -> None:
        """Takes in the rows of another."""
        self.rows += other.rows
        self.characters += other.characters
        if other.lengths:
            ours = self.lengths or [0] * LENGTHS
            self.lengths = [a + b for a, b in zip(ours, other.lengths, strict=True)]
        self.labels = dict(Counter(self.labels) + Counter(other.labels))


class ShardAccount(msgspec.Struct):
    """One shard. Written when all else of it is, so that where there is one, the shard is whole."""

    shard: int
    source: int
    size: int
    """Bytes read."""

    aside: int
    """Rows kept aside."""

    reasons: dict[str, int]
    """Rows kept aside by reason, numbers left out of the words."""

    steps: list[StepAccount]
    before: Shape
    after: Shape


def added(accounts: Iterable[ShardAccount], samples: int) -> list[StepAccount]:
    """The steps of all shards, each once, in their order."""
    steps: dict[str, StepAccount] = {}
    for account in accounts:
        for step in account.steps:
            steps.setdefault(step.name, StepAccount(step.name)).add(step, samples)
    return list(steps.values())
