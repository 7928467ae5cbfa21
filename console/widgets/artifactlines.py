"""One version of an artifact in a few lines: what it is, who made it of what, and under what."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from textwrap import wrap
from typing import Final

from rich.segment import Segment

from ...agents.protocol.artifacts import ArtifactVersion
from .. import quantities as q
from ..tables.artifacts import kilobytes
from ..tables.versions import difference_said
from ..view import View
from .lines import Line, Lines
from .pairs import Pair, pairs
from .pen import spoken

SHORT: Final = 19
"""Characters of a digest that are shown."""

DESCRIPTION: Final = "description"
LICENCES: Final = ("licence", "license")
"""Tags that have a place of their own."""

MOST_DESCRIPTION: Final = 2
"""Lines."""


class ArtifactLines(Lines):
    """What a version is; beside what stands in its row of the versions."""

    DEFAULT_CSS = """
    ArtifactLines { padding: 0 1; margin: 0 0 1 0; }
    """

    def __init__(self, view: View) -> None:
        super().__init__(id="facts")
        self._view = view
        self.version: ArtifactVersion | None = None
        self.unseen: Collection[str] = ()
        """Metrics for which the row has no room."""

        self.differences: Mapping[str, float] = {}
        """By how much metrics differ from those of another version."""

        self.most = 0
        """Lines of facts; 0 for as many as it takes."""

    def draw(self, width: int) -> list[Line]:
        """The name, the description, facts."""
        version, pen = self.version, self.pen
        if version is None:
            return []
        facts: list[Line] = [*pairs(self._facts(version), width, pen)]
        shown = facts[: self.most] if self.most else facts
        return [self._title(version), *self._description(version, width), *shown]

    def _title(self, version: ArtifactVersion) -> Line:
        pen = self.pen
        line = [
            Segment(f"{version.name}@{version.version}", pen.roles.title),
            Segment(f"  {spoken(version.kind, pen.glyphs)}", pen.roles.dim),
        ]
        if version.aliases:
            line.append(Segment(f"  {' '.join(version.aliases)}", pen.roles.accent))
        return line

    def _description(self, version: ArtifactVersion, width: int) -> Iterator[Line]:
        pen = self.pen
        text = spoken(version.tags.get(DESCRIPTION, ""), pen.glyphs)
        lines = wrap(text, max(width, 10))
        if len(lines) > MOST_DESCRIPTION:
            lines = [*lines[: MOST_DESCRIPTION - 1], " ".join(lines[MOST_DESCRIPTION - 1 :])]
        for line in lines:
            yield pen.text(line, width, pen.roles.text)

    def _facts(self, version: ArtifactVersion) -> Iterator[Pair]:
        """The most important first: where there is little room, the last are left out."""
        yield "made", moment_said(self._view, version.created)
        yield "by", f"job {version.job}" if version.job else "import"
        if version.user:
            yield "user", version.user
        yield "size", kilobytes(version.size)
        yield "files", str(version.files) if version.files else q.ABSENT
        yield "licence", next(filter(None, map(version.tags.get, LICENCES)), "not said")
        for name in self.unseen:
            if name in version.metrics:
                yield name.replace("_", " "), self._measured(name, version.metrics[name])
        for name, value in version.tags.items():
            if name not in (DESCRIPTION, *LICENCES):
                yield name, value
        if version.code:
            yield "code", version.code
        yield "digest", short(version.digest)
        if version.spec:
            yield "spec", short(version.spec)
        yield "store", version.uri

    def _measured(self, name: str, value: float) -> str:
        text, difference = q.number(value), self.differences.get(name)
        return text if difference is None else f"{text} ({difference_said(difference)})"


def short(digest: str) -> str:
    """Enough of a digest to tell it from others."""
    return f"{digest[:SHORT]}…"


def moment_said(view: View, moment: float) -> str:
    """A day and a time (seconds since 1970) as the person reads clocks."""
    zone = UTC if view.settings.utc else None
    return datetime.fromtimestamp(moment, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
