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
        self._lines: list[Line] = []
        self._strips: list[Strip] = []
        """Of the lines, for the present width and theme; empty where they must be made anew."""

        self._pen: Pen | None = None

    @property
    def pen(self) -> Pen:
        """What to draw with, on this widget's ground."""
        if self._pen is None:
            self._pen = Pen(roles_for(self), glyphs())
        return self._pen

    def draw(self, width: int) -> list[Line]:
        """The lines as they are now, for a subclass to give."""
        raise NotImplementedError

    def repaint(self) -> None:
        """Draw again, and send to the terminal the lines that differ."""
        if not self.is_mounted or self.size.width == 0:
            return
        lines = self.draw(self.size.width)
        if len(lines) != len(self._strips):
            self._take(lines)
            self.refresh(layout=True)
            return
        regions = []
        for at, line in enumerate(lines):
            if line != self._lines[at]:
                before, self._strips[at] = self._strips[at], self._strip(line)
                regions += [
                    Region(start, at, end - start, 1)
                    for start, end in changed_span(before, self._strips[at])
                ]
        self._lines = lines
        if regions:
            self.refresh(*regions)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """As many lines as were drawn."""
        return len(self.draw(width))

    def render_line(self, y: int) -> Strip:
        """One line."""
        if not self._strips or self._strips[0].cell_length != self.size.width:
            self._take(self.draw(self.size.width))
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
        self._pen = None

    def _take(self, lines: list[Line]) -> None:
        self._lines = lines
        self._strips = [self._strip(line) for line in lines]

    def _strip(self, line: Line) -> Strip:
        return Strip(list(line)).adjust_cell_length(self.size.width, self.pen.roles.base).simplify()


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
