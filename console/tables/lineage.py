"""What an artifact came from and what came of it, as two trees of which each node is a row."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from ...agents.protocol.artifacts import ArtifactVersion, Lineage
from .. import quantities as q
from ..widgets.pen import Cell, Pen
from ..widgets.table import Column, Row, Rows
from .artifacts import said_or_nothing

SHORT: Final = 19
"""Characters of a digest that are shown where it has no name."""

GUIDES: Final = {
    "unicode": ("├── ", "└── ", "│   ", "    "),
    "ascii": ("+-- ", "`-- ", "|   ", "    "),
}
"""Before a node: with more of its parent's to come, as the last, and below each of the two."""

Below = Mapping[str, list[tuple[str, str]]]
"""A digest → those below it, each with its role."""


class Node(NamedTuple):
    """One line of a tree."""

    digest: str
    lasts: tuple[bool, ...]
    """For each level down to here, whether its node is the last of its parent's; () for a root."""

    role: str = ""
    again: bool = False
    """Whether it was shown further up, with what is below it, which is left out here."""

    title: str = ""
    """Of a root: what the tree is."""


class Branch(NamedTuple):
    """A digest in a tree, and what is below it."""

    digest: str
    role: str
    again: bool
    below: list["Branch"]


def tree_cell(row: Row, width: int, pen: Pen) -> Cell:
    """Guides and a name."""
    guides = guide(row["lasts"], pen.glyphs.name)
    left = min(len(guides), width)
    style = pen.roles.text if row["known"] else pen.roles.dim
    if not row["lasts"]:
        style = pen.roles.title
    return (
        *pen.text(guides, left, pen.roles.faint),
        *pen.text(row["text"], width - left, style),
    )


def guide(lasts: Sequence[bool], glyphs: str = "unicode") -> str:
    """The lines before a node."""
    if not lasts:
        return ""
    more, last, through, nothing = GUIDES[glyphs]
    return "".join(nothing if each else through for each in lasts[:-1]) + (
        last if lasts[-1] else more
    )


def age_cell(row: Row, width: int, pen: Pen) -> Cell:
    """How old it is, where that is known; the root's stands among the facts."""
    age = row["age"]
    return pen.text("" if age is None else q.duration(age), width, pen.roles.dim, right=True)


COLUMNS: Final = (
    Column("text", "LINEAGE", 24, tree_cell, stretch=1, rank=0),
    Column("kind", "KIND", 10, said_or_nothing("kind", "dim"), rank=3),
    Column(
        "role",
        "AS",
        11,
        said_or_nothing("role", "dim"),
        rank=1,
        meaning="What it was to the job that made the one above it, as data or base model",
    ),
    Column("job", "JOB", 5, said_or_nothing("job", "dim"), rank=4),
    Column("age", "AGE", 7, age_cell, rank=2, right=True),
)


class LineageTable:
    """Two trees, one under the other; a row is a line of them. They know one order only."""

    columns: Sequence[Column] = COLUMNS

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._nodes: list[Node] = []
        self._versions: dict[str, list[ArtifactVersion]] = {}

    def show(self, lineage: Lineage | None) -> None:
        """Show this one; None for none."""
        self._nodes = [] if lineage is None else nodes(lineage)
        self._versions = {} if lineage is None else by_digest(lineage.versions)

    def version(self, row: int) -> ArtifactVersion | None:
        """The artifact of a row, by the first of its names; None where it has none here."""
        if row >= len(self._nodes):
            return None
        return next(iter(self._versions.get(self._nodes[row].digest, [])), None)

    def digest(self, row: int) -> str | None:
        """That of a row."""
        return self._nodes[row].digest if row < len(self._nodes) else None

    def arrange(self, sort: str, descending: bool, text: str) -> Rows:
        """The lines that contain the words of `text`, from top to bottom."""
        wanted = text.lower().split()
        rows = [
            row
            for row, node in enumerate(self._nodes)
            if all(word in _said(node, self._of(node)) for word in wanted)
        ]
        return np.array(rows, np.int64)

    def rows(self, wanted: Sequence[int]) -> Sequence[Row]:
        """What the columns paint."""
        return [self._row(self._nodes[row]) for row in wanted]

    def _of(self, node: Node) -> Sequence[ArtifactVersion]:
        return self._versions.get(node.digest, [])

    def _row(self, node: Node) -> Row:
        versions = self._of(node)
        first = versions[0] if versions else None
        below = bool(node.lasts) and first is not None
        return {
            "text": _name(node, versions),
            "lasts": node.lasts,
            "known": first is not None,
            "kind": first.kind if first else "",
            "role": node.role,
            "job": first.job if first and below else "",
            "age": max(self._clock() - first.created, 0.0) if first and below else None,
        }


def nodes(lineage: Lineage) -> list[Node]:
    """The lines of both trees, each below its root. What was shown before is not gone through
    again, so that a loop has an end.
    """
    parents, children = defaultdict(list), defaultdict(list)
    for child, parent, role in lineage.edges:
        parents[child].append((parent, role))
        children[parent].append((child, ""))
    told: list[Node] = []
    for title, below in (("came from", parents), ("became", children)):
        if below[lineage.root]:
            told.append(Node(lineage.root, (), title=title))
            told += _lines(_grown(lineage.root, below))
    return told or [Node(lineage.root, (), title="came from nothing that is known")]


def by_digest(versions: Sequence[ArtifactVersion]) -> dict[str, list[ArtifactVersion]]:
    """All names of each digest."""
    found: defaultdict[str, list[ArtifactVersion]] = defaultdict(list)
    for version in versions:
        found[version.digest].append(version)
    return dict(found)


def _grown(root: str, below: Below) -> list[Branch]:
    """What is below a root, level by level: each digest is gone through where it is nearest."""
    branches: list[Branch] = []
    seen = {root}
    waiting = [(branches, root)]
    while waiting:
        grown, digest = waiting.pop(0)
        for one, role in below.get(digest, []):
            branch = Branch(one, role, one in seen and bool(below.get(one)), [])
            grown.append(branch)
            if one not in seen:
                seen.add(one)
                waiting.append((branch.below, one))
    return branches


def _lines(branches: Sequence[Branch]) -> Iterator[Node]:
    """The lines of a tree from top to bottom, however deep it is."""
    waiting = _placed(branches, ())
    while waiting:
        branch, lasts = waiting.pop()
        yield Node(branch.digest, lasts, branch.role, branch.again)
        waiting += _placed(branch.below, lasts)


def _placed(
    branches: Sequence[Branch], above: tuple[bool, ...]
) -> list[tuple[Branch, tuple[bool, ...]]]:
    """Branches with their places, the first at the end."""
    count = len(branches)
    return [(branches[at], (*above, at == count - 1)) for at in reversed(range(count))]


def _name(node: Node, versions: Sequence[ArtifactVersion]) -> str:
    names = ", ".join(f"{one.name}@{one.version}" for one in versions)
    text = names or f"{node.digest[:SHORT]}…"
    return f"{text} {node.title}" if node.title else f"{text}  …" if node.again else text


def _said(node: Node, versions: Sequence[ArtifactVersion]) -> str:
    kinds = " ".join(one.kind for one in versions)
    return f"{_name(node, versions)} {kinds} {node.role}".lower()
