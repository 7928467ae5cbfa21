"""A few lines of segments; of those, only what changed is painted again."""

from collections.abc import Sequence

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from ..themes import roles_for
from .glyphs import glyphs
from .pen import Pen

Line = Sequence[Segment]


class Lines(Widget):
    """Lines that a subclass draws from what it was last shown."""

    DEFAULT_CSS = """
    Lines { height: auto; width: 1fr; background: $background; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._strips: list[Strip] = []

    @property
    def pen(self) -> Pen:
        """What to draw with, on this widget's ground."""
        return Pen(roles_for(self), glyphs())

    def draw(self, width: int) -> list[Line]:
        """The lines as they are now, for a subclass to give."""
        raise NotImplementedError

    def repaint(self) -> None:
        """Draw again, and send to the terminal the lines that differ."""
        if not self.is_mounted or self.size.width == 0:
            return
        strips = self._drawn()
        if len(strips) != len(self._strips):
            self._strips = strips
            self.refresh(layout=True)
            return
        regions = [
            Region(start, at, end - start, 1)
            for at, (old, new) in enumerate(zip(self._strips, strips, strict=True))
            for start, end in changed_span(old, new)
        ]
        self._strips = strips
        if regions:
            self.refresh(*regions)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """As many lines as were drawn."""
        return len(self.draw(width))

    def render_line(self, y: int) -> Strip:
        """One line."""
        if not self._strips or self._strips[0].cell_length != self.size.width:
            self._strips = self._drawn()
        if y < len(self._strips):
            return self._strips[y]
        return Strip.blank(self.size.width, self.pen.roles.base)

    def on_resize(self) -> None:
        """The width decides what fits."""
        self._strips = []

    def notify_style_update(self) -> None:
        """The theme changed."""
        super().notify_style_update()
        self._strips = []

    def _drawn(self) -> list[Strip]:
        width, base = self.size.width, self.pen.roles.base
        return [
            Strip(list(line)).adjust_cell_length(width, base).simplify()
            for line in self.draw(width)
        ]


def changed_span(old: Strip, new: Strip) -> list[tuple[int, int]]:
    """Where two lines differ, as one (start, end) in cells; empty where they do not.

    Found by whole segments from both ends: a clock at the right end costs its own width.
    """
    before, after = list(old), list(new)
    if before == after:
        return []
    start = 0
    while before and after and before[0] == after[0]:
        start += after.pop(0).cell_length
        before.pop(0)
    end = new.cell_length
    while before and after and before[-1] == after[-1]:
        end -= after.pop().cell_length
        before.pop()
    return [(start, max(end, start + 1))]
