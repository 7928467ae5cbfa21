"""The versions of one artifact, one a row, with their metrics side by side.

Of versions that a person marked, the first is what the others are compared with: beside each
figure of theirs stands by how much it differs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from ...agents.protocol.artifacts import ArtifactVersion
from .. import quantities as q
from ..widgets.pen import Cell, Pen
from ..widgets.table import Column, Row, Rows
from .artifacts import METRIC_FIGURE, kilobytes, said_or_nothing
from .cells import Figure, figure, words
from .order import ranks

METRIC: Final = "metric:"
"""Begins the key of a metric's column."""

LONGEST_TITLE: Final = 20
WIDEST_ALIASES: Final = 28
DIFFERENCE: Final = METRIC_FIGURE
"""Cells, a blank among them."""


def version_cell(row: Row, width: int, pen: Pen) -> Cell:
    """The version's number, behind a mark where the row is marked."""
    marked = row["marked"]
    mark = pen.text(pen.glyphs.marked if marked else "", 1, pen.roles.accent)
    style = pen.roles.accent if marked else pen.roles.title
    return (*mark, *pen.text(f"@{row['version']}", width - 1, style, right=True))


def by_cell(row: Row, width: int, pen: Pen) -> Cell:
    """The job that made it; a person who imported it, where none did."""
    job = row["job"]
    return pen.text(job or "import", width, pen.roles.text if job else pen.roles.dim, right=True)


COLUMNS: Final = (
    Column("version", "VERSION", 7, version_cell, rank=0, right=True),
    Column("aliases", "ALIASES", 10, said_or_nothing("aliases", "accent"), rank=1),
    Column("age", "AGE", 7, figure("age", q.duration, "dim"), rank=2, right=True),
    Column(
        "job",
        "JOB",
        6,
        by_cell,
        rank=3,
        right=True,
        meaning="The job that made it, which Enter opens",
    ),
)
LAST_COLUMNS: Final = (
    Column("size", "SIZE", 6, figure("size", kilobytes, "dim"), rank=200, right=True),
    Column("user", "USER", 8, words("user", "dim"), rank=201),
    Column("kind", "KIND", 10, words("kind", "dim"), stretch=1, rank=202),
)


class VersionTable:
    """The versions of one name; a row is a version's number."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._versions: dict[int, ArtifactVersion] = {}
        self._forms: dict[str, Callable[[Figure], str]] = {}
        """Each metric, and how its figures are said."""

        self.marked: Sequence[int] = ()
        """Versions that a person marked; the first is what the others are compared with."""

    def show(self, versions: Iterable[ArtifactVersion]) -> None:
        """Show these."""
        self._versions = {version.version: version for version in versions}
        newest_first = sorted(self._versions.values(), key=lambda one: -one.version)
        metrics = list(dict.fromkeys(name for one in newest_first for name in one.metrics))
        self._forms = {
            name: alike(one.metrics[name] for one in newest_first if name in one.metrics)
            for name in metrics
        }

    @property
    def columns(self) -> Sequence[Column]:
        """One for each metric of any version, in the order in which the newest tells them."""
        metrics = [self._metric_column(at, name) for at, name in enumerate(self._forms)]
        return [*map(self._fitting, COLUMNS), *metrics, *LAST_COLUMNS]

    def version(self, row: int) -> ArtifactVersion | None:
        """The version of a row."""
        return self._versions.get(row)

    def arrange(self, sort: str, descending: bool, text: str) -> Rows:
        """Versions whose number, aliases, kind, job, user, code or tags contain the words."""
        wanted = text.lower().split()
        rows = [
            row for row, one in self._versions.items() if all(word in _said(one) for word in wanted)
        ]
        rows.sort(reverse=sort != "" or not descending)
        order = np.array(rows, np.int64)
        if not sort:
            return order
        return order[ranks([row.get(sort) for row in self.rows(rows)], descending)]

    def rows(self, wanted: Sequence[int]) -> Sequence[Row]:
        """What the columns paint."""
        return [self._row(self._versions[row]) for row in wanted]

    def differences(self, one: ArtifactVersion) -> Mapping[str, float] | None:
        """By how much its metrics differ from the first marked one's, where it is marked, too."""
        base = self._compared
        if base is None or base.version == one.version or one.version not in self.marked:
            return None
        return {
            name: value - base.metrics[name]
            for name, value in one.metrics.items()
            if name in base.metrics
        }

    @property
    def _compared(self) -> ArtifactVersion | None:
        """What the other marked versions are compared with, where there are some."""
        known = [self._versions[row] for row in self.marked if row in self._versions]
        return known[0] if len(known) > 1 else None

    def _metric_column(self, at: int, name: str) -> Column:
        """As wide as its figures and what differs; of many, the last have no room first."""
        form = self._forms[name]
        figures = (form(one.metrics.get(name)) for one in self._versions.values())
        aside = DIFFERENCE if self._compared else 0
        return Column(
            f"{METRIC}{name}",
            name.replace("_", " "),
            max(min(len(name), LONGEST_TITLE), max(map(len, figures)) + aside),
            metric_cell(name, form),
            rank=10 + at,
            right=True,
        )

    def _fitting(self, column: Column) -> Column:
        """The column of the aliases is as wide as they are, within reason."""
        if column.key != "aliases":
            return column
        longest = max((len(" ".join(one.aliases)) for one in self._versions.values()), default=0)
        return column._replace(width=min(max(longest, column.width), WIDEST_ALIASES))

    def _row(self, one: ArtifactVersion) -> Row:
        return {
            "version": one.version,
            "aliases": " ".join(one.aliases),
            "age": max(self._clock() - one.created, 0.0),
            "job": one.job,
            "size": one.size,
            "user": one.user,
            "kind": one.kind,
            "marked": one.version in self.marked,
            "differences": self.differences(one),
            **{f"{METRIC}{name}": value for name, value in one.metrics.items()},
        }


def metric_cell(name: str, form: Callable[[Figure], str]) -> Callable[[Row, int, Pen], Cell]:
    """A measured figure, and where versions are compared by how much it differs."""
    told = figure(f"{METRIC}{name}", form)

    def paint(row: Row, width: int, pen: Pen) -> Cell:
        differences = row["differences"]
        if differences is None:
            return told(row, width, pen)
        aside = min(DIFFERENCE, width)
        difference = differences.get(name)
        text = "" if difference is None else difference_said(difference)
        style = pen.roles.accent if difference else pen.roles.dim
        return (*told(row, width - aside, pen), *pen.text(text, aside, style, right=True))

    return paint


def alike(values: Iterable[float]) -> Callable[[Figure], str]:
    """How figures are said so that their points stand one above the other."""
    said = [(value, q.number(value)) for value in values]
    places = max((len(text.partition(".")[2]) for _, text in said), default=0)
    long = any("e" in text or len(f"{value:.{places}f}") > METRIC_FIGURE for value, text in said)
    if long:
        return q.number
    return lambda value: f"{value:.{places}f}" if value is not None else q.ABSENT


def difference_said(difference: float) -> str:
    """By how much a figure differs, with its sign: two digits, as noise has more."""
    return f"{difference:+.2g}" if difference else "same"


def _said(one: ArtifactVersion) -> str:
    tags = (f"{name}={value}" for name, value in one.tags.items())
    parts = (f"@{one.version}", *one.aliases, one.kind, one.job or "import", one.user, one.code)
    return " ".join((*parts, *tags)).lower()
