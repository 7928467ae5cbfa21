"""Artifacts by their names, one a row, the newest first."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from ...agents.protocol.artifacts import ArtifactVersion
from .. import quantities as q
from ..widgets.pen import Cell, Pen
from ..widgets.table import Column, Row, Rows
from .cells import figure, words
from .order import ranks

METRIC_FIGURE: Final = 8
"""Cells of a measured figure with its sign."""


def kilobytes(size: float | int | None) -> str:
    """An amount given in bytes; one that nobody said is not known."""
    return q.kibibytes(size / 1024 if size else None)


def said_or_nothing(key: str, role: str) -> Callable[[Row, int, Pen], Cell]:
    """A text that is not missed where it is not there."""

    def paint(row: Row, width: int, pen: Pen) -> Cell:
        return pen.text(row[key] or "", width, getattr(pen.roles, role))

    return paint


def metric_cell(row: Row, width: int, pen: Pen) -> Cell:
    """The name of a metric, and its figure at the right."""
    name, value = row["metric"]
    if not name:
        return pen.text(q.ABSENT, width, pen.roles.faint)
    text = q.number(value)
    left = max(width - len(text) - 1, 0)
    return (
        *pen.text(name.replace("_", " "), left, pen.roles.dim),
        *pen.text(text, width - left, pen.roles.text, right=True),
    )


COLUMNS: Final = (
    Column("name", "ARTIFACT", 14, words("name"), stretch=3, rank=0),
    Column(
        "kind",
        "KIND",
        10,
        words("kind", "dim"),
        rank=3,
        meaning="What it is: dataset, model, checkpoint, package, report or another word",
    ),
    Column(
        "versions",
        "VERSIONS",
        8,
        figure("versions", q.count, "dim"),
        rank=6,
        right=True,
        meaning="How many versions of the name there are",
    ),
    Column("newest", "NEWEST", 6, words("newest", right=True), rank=2, right=True),
    Column(
        "aliases",
        "ALIASES",
        14,
        said_or_nothing("aliases", "accent"),
        stretch=2,
        rank=4,
        meaning="Names that move between versions, and the version that each points to",
    ),
    Column(
        "size",
        "SIZE",
        6,
        figure("size", kilobytes, "dim"),
        rank=7,
        right=True,
        meaning="Of all files of the newest version",
    ),
    Column(
        "metric",
        "METRIC",
        16,
        metric_cell,
        stretch=2,
        rank=5,
        meaning="What was measured first of the newest version",
    ),
    Column(
        "age",
        "AGE",
        6,
        figure("age", q.duration, "dim"),
        rank=1,
        right=True,
        meaning="Since the newest version was made",
    ),
)


WORDS: Final = {"name": (8, 24), "kind": (4, 10), "aliases": (7, 20)}
"""Columns of words: the least and the most cells."""


class Named(NamedTuple):
    """One name and its versions."""

    newest: ArtifactVersion
    versions: int
    aliases: dict[str, int]
    """Alias → the version that it points to."""


class ArtifactTable:
    """The names of artifacts; a row is a name's number in the order in which names were told."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._numbers: dict[str, int] = {}
        self._named: dict[int, Named] = {}

    def show(self, versions: Iterable[ArtifactVersion]) -> None:
        """Show the names of these versions."""
        self._named = {}
        for version in versions:
            row = self._numbers.setdefault(version.name, len(self._numbers))
            known = self._named.get(row) or Named(version, 0, {})
            self._named[row] = Named(
                max(known.newest, version, key=lambda one: one.version),
                known.versions + 1,
                known.aliases | dict.fromkeys(version.aliases, version.version),
            )

    @property
    def columns(self) -> Sequence[Column]:
        """Those of words are as wide as their words, within reason."""
        rows = self.rows(list(self._named))
        return [
            column._replace(width=_fitting(column, rows, *WORDS[column.key]))
            if column.key in WORDS
            else column
            for column in COLUMNS
        ]

    def artifact(self, row: int) -> Named | None:
        """The name of a row."""
        return self._named.get(row)

    def arrange(self, sort: str, descending: bool, text: str) -> Rows:
        """Names whose name, kind, aliases or tags contain the words of `text`."""
        wanted = text.lower().split()
        rows = [
            row
            for row, named in self._named.items()
            if all(word in _said(named) for word in wanted)
        ]
        newest_first = bool(sort) or not descending
        rows.sort(key=lambda row: self._named[row].newest.created, reverse=newest_first)
        order = np.array(rows, np.int64)
        if not sort:
            return order
        return order[ranks([self._sorted_by(sort, row) for row in rows], descending)]

    def rows(self, wanted: Sequence[int]) -> Sequence[Row]:
        """What the columns paint."""
        return [self._row(self._named[row]) for row in wanted]

    def _row(self, named: Named) -> Row:
        newest = named.newest
        return {
            "name": newest.name,
            "kind": newest.kind,
            "versions": named.versions,
            "newest": f"@{newest.version}",
            "aliases": "  ".join(f"{alias} @{at}" for alias, at in sorted(named.aliases.items())),
            "size": newest.size,
            "metric": next(iter(newest.metrics.items()), ("", None)),
            "age": max(self._clock() - newest.created, 0.0),
        }

    def _sorted_by(self, sort: str, row: int) -> object:
        value = self._row(self._named[row])[sort]
        return value[1] if sort == "metric" else value


def _fitting(column: Column, rows: Sequence[Row], least: int, most: int) -> int:
    longest = max((len(row[column.key]) for row in rows), default=0)
    return min(max(longest, least, len(column.title)), most)


def _said(named: Named) -> str:
    newest = named.newest
    tags = (f"{name}={value}" for name, value in newest.tags.items())
    return " ".join((newest.name, newest.kind, *named.aliases, *tags)).lower()
