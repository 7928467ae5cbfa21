"""Lineage as two trees: what an artifact came from, and what came from it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from ...agents.protocol.artifacts import ArtifactVersion, Lineage
from .artifactlist import reference
from .printing import printable, width

SHORT: Final = 19
"""Characters of a digest that are shown where it has no name."""

Below = Mapping[str, list[tuple[str, str]]]


def text(lineage: Lineage) -> str:
    """Both trees, one under the other, in the width of the terminal."""
    names = _names(lineage.versions)
    parents, children = defaultdict(list), defaultdict(list)
    for child, parent, role in lineage.edges:
        parents[child].append((parent, role))
        children[parent].append((child, ""))
    console = Console(width=width(), color_system=None)
    root = names.get(lineage.root, _short(lineage.root))
    with console.capture() as capture:
        for title, below in ((f"{root} came from", parents), (f"{root} became", children)):
            if below[lineage.root]:
                console.print(_tree(title, lineage.root, below, names))
    return capture.get().rstrip("\n") or f"{root} came from nothing that is known"


def _tree(title: str, root: str, below: Below, names: Mapping[str, str]) -> Tree:
    """What is below the root. What was shown before is named again, without what is below it."""
    tree = Tree(Text(title))
    shown = {root}
    open_branches = [(tree, root)]
    while open_branches:
        branch, digest = open_branches.pop(0)
        for one, role in below.get(digest, []):
            name = names.get(one, _short(one))
            label = f"{name}  {printable(role)}".rstrip()
            again = one in shown and bool(below.get(one))
            grown = branch.add(Text(f"{label}  …" if again else label, overflow="ellipsis"))
            if one not in shown:
                shown.add(one)
                open_branches.append((grown, one))
    return tree


def _names(versions: Iterable[ArtifactVersion]) -> dict[str, str]:
    """All names of each digest, with its kind."""
    found: dict[str, list[ArtifactVersion]] = defaultdict(list)
    for version in versions:
        found[version.digest].append(version)
    return {
        digest: f"{', '.join(map(reference, same))}  {printable(same[0].kind)}"
        for digest, same in found.items()
    }


def _short(digest: str) -> str:
    return f"{digest[:SHORT]}…"
