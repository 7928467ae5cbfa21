"""A plot of curves: the history of a GPU, the loss of a job."""

from collections.abc import Sequence

from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from ..themes import roles_for
from .axes import Axes
from .chart import chart
from .curves import Curve
from .glyphs import glyphs


class LinePlot(Widget):
    """Curves over steps or time. `show` gives it the data; lines that stay are not repainted."""

    DEFAULT_CSS = """
    LinePlot {
        background: $background;
        height: 1fr;
        min-height: 3;
    }
    """

    def __init__(
        self,
        axes: Axes | None = None,
        *,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """Make an empty plot."""
        super().__init__(id=id, classes=classes)
        self._axes = axes or Axes()
        self._curves: tuple[Curve, ...] = ()
        self._strips: list[Strip] | None = None
        self._drawn_for = Size(0, 0)

    def show(self, curves: Sequence[Curve], axes: Axes | None = None) -> None:
        """Show these curves, with other axes if given. The arrays are not to change afterwards."""
        self._curves = tuple(curves)
        self._axes = axes or self._axes
        if self._strips is None or not self.is_mounted or self._drawn_for != self.size:
            self._strips = None
            self.refresh()
            return
        before, self._strips = self._strips, self._draw()
        changed = [
            Region(0, y, self.size.width, 1)
            for y, (old, new) in enumerate(zip(before, self._strips, strict=True))
            if old != new
        ]
        if changed:
            self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        """The strip of one line."""
        if self._strips is None or self._drawn_for != self.size:
            self._strips = self._draw()
        return self._strips[y]

    def notify_style_update(self) -> None:
        """Forget what was drawn in another theme's colours."""
        super().notify_style_update()
        self._strips = None

    def _draw(self) -> list[Strip]:
        self._drawn_for = self.size
        return chart(self._curves, self._axes, *self.size, roles_for(self), glyphs())
