"""The first line of every screen: where one is, what it is, how fresh it is."""

from datetime import UTC, datetime

from rich.segment import Segment

from ..quantities import age
from ..view import View
from .lines import Line, Lines
from .pen import Pen, spoken, width_of

STALE_SECONDS = 2.0
"""From this age on, a live picture is marked as late."""


class Heading(Lines):
    """The place at the left, the state of the link and the clock at the right."""

    DEFAULT_CSS = """
    Heading { height: 1; background: $surface; }
    """

    def __init__(self, view: View, place: str = "") -> None:
        super().__init__()
        self._view = view
        self.place = place

    def draw(self, width: int) -> list[Line]:
        """One line; the right side keeps its place."""
        pen = self.pen
        right = [*self._link(pen), *self._clock(pen)]
        room = width - width_of(right)
        left = self._left(pen)
        while len(left) > 2 and width_of(left) > room:
            left.pop()
        padding = max(room - width_of(left), 0)
        return [[*left, Segment(" " * padding, pen.roles.base), *right]]

    def _left(self, pen: Pen) -> list[Segment]:
        parts = [Segment(" llmos ", pen.roles.accent)]
        said = [self.place, *self._view.describe()]
        dot = f" {pen.glyphs.separator} "
        for at, text in enumerate(part for part in said if part):
            style = pen.roles.title if at == 0 else pen.roles.dim
            parts.append(Segment((dot if at else "") + spoken(text, pen.glyphs), style))
        return parts

    def _link(self, pen: Pen) -> list[Segment]:
        link, old = self._view.link, self._view.age
        if link.state == "live" and old is not None and old < STALE_SECONDS:
            rate = 1 / self._view.interval
            return [Segment(f"{pen.glyphs.ok} live {rate:g} Hz ", pen.roles.ok)]
        seen = f", last seen {age(old)} ago" if old is not None else ""
        words = {"starting": "starting the agent", "live": "late", "lost": "no agent, retrying"}
        word = words.get(link.state, "refused")
        role, mark = (
            (pen.roles.info, pen.glyphs.info)
            if link.state == "starting"
            else (pen.roles.bad, pen.glyphs.bad)
        )
        return [Segment(f"{mark} {word}{seen} ", role)]

    def _clock(self, pen: Pen) -> list[Segment]:
        now = self._view.clock()
        zone = UTC if self._view.settings.utc else None
        text = datetime.fromtimestamp(now, UTC).astimezone(zone).strftime("%H:%M:%S")
        return [Segment(f" {text}{'Z' if zone else ''} ", pen.roles.dim)]
