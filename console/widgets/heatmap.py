"""A heat map of many GPUs: one small cell each, virtual over one array, for the eye to sweep."""

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ..themes import Roles, roles_for
from .glyphs import glyphs
from .heatcells import Codes, Figures, Layout, cell_codes, choose_layout, line_strip

JOIN = 1
"""Changes with no more than so many characters between them are repainted in one go: the cells of a
dense map cost more than moving the cursor over them."""


class HeatMap(ScrollView, can_focus=True):
    """Cells of figures from 0 to 1. `show` gives it the data; it repaints what changed."""

    DEFAULT_CSS = """
    HeatMap {
        background: $background;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1, 0)", "Left", show=False, tooltip="The cell to the left"),
        Binding("right", "move(1, 0)", "Right", show=False, tooltip="The cell to the right"),
        Binding("up", "move(0, -1)", "Up", show=False, tooltip="The cell above"),
        Binding("down", "move(0, 1)", "Down", show=False, tooltip="The cell below"),
        Binding("pageup", "page(-1)", "Page up", show=False, tooltip="One page up"),
        Binding("pagedown", "page(1)", "Page down", show=False, tooltip="One page down"),
        Binding("home", "jump(0)", "First", show=False, tooltip="The first cell"),
        Binding("end", "jump(-1)", "Last", show=False, tooltip="The last cell"),
        Binding("enter", "choose", "Open", show=False, tooltip="Open this cell"),
    ]

    cursor: reactive[int] = reactive(0, repaint=False)
    """The row of the data pointed out while the map has the focus."""

    class Chosen(Message):
        """A cell was clicked, or Enter pressed on it."""

        def __init__(self, row: int) -> None:
            self.row = row
            super().__init__()

    class Moved(Message):
        """The cursor stands on another cell."""

        def __init__(self, row: int) -> None:
            self.row = row
            super().__init__()

    def __init__(
        self,
        *,
        group: int = 0,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """Make an empty map; `group` sets a blank after so many cells, where there is room."""
        super().__init__(id=id, classes=classes)
        self._group = group
        self._figures: Figures = np.empty(0)
        self._marks: NDArray[np.uint8] | None = None
        self._codes: Codes = np.empty(0, dtype=np.uint16)
        self._layout = Layout(columns=1)
        self._strips: dict[int, tuple[bytes, Strip]] = {}
        self._roles: Roles | None = None

    def show(self, figures: ArrayLike, marks: ArrayLike | None = None) -> None:
        """Show these figures.

        Args:
            figures: 0 to 1 for each row, NaN where absent. They are copied.
            marks: A `Mark` for each row (uint8), in place of its level.
        """
        self._figures = np.array(figures, dtype=np.float64).ravel()
        self._marks = None if marks is None else np.array(marks, dtype=np.uint8).ravel()
        if len(self._figures) != len(self._codes):
            self._arrange()
            return
        before = self._codes
        self._codes = cell_codes(self._figures, self._marks, self._layout.levels, before)
        self._repaint(np.flatnonzero(self._codes != before))

    @property
    def count(self) -> int:
        """Rows of the data."""
        return len(self._figures)

    @property
    def cell_layout(self) -> Layout:
        """How the cells stand now."""
        return self._layout

    def render_line(self, y: int) -> Strip:
        """The strip of one visible line: the same object while nothing on it changed."""
        line = y + self.scroll_offset.y
        if self._roles is None:
            self._roles = roles_for(self)
        width = self.scrollable_content_region.width
        if line >= self._layout.lines(self.count):
            return Strip.blank(width, self._roles.base)
        span = self._layout.columns * self._layout.stacked
        at = self.cursor if self.has_focus and self.cursor // span == line else None
        key = self._codes[line * span : (line + 1) * span].tobytes() + repr(at).encode()
        known = self._strips.get(line)
        if known is not None and known[0] == key:
            return known[1]
        strip = line_strip(self._codes, line, self._layout, at, self._roles, glyphs())
        strip = strip.extend_cell_length(width, self._roles.base)
        self._strips[line] = (key, strip)
        return strip

    def notify_style_update(self) -> None:
        """Forget what was drawn in another theme's colours."""
        super().notify_style_update()
        self._roles = None
        self._strips.clear()

    def watch_cursor(self, before: int, now: int) -> None:
        """Repaint both cells, bring the new one into view, tell."""
        if not self.count:
            return
        self._repaint(np.array([before, now]))
        self._bring_into_view(self._layout.place(now)[0])
        self.post_message(self.Moved(now))

    def validate_cursor(self, row: int) -> int:
        """Keep the cursor on a row that is there."""
        return min(max(row, 0), max(self.count - 1, 0))

    def action_move(self, columns: int, lines: int) -> None:
        """Move the cursor by cells."""
        self.cursor += columns + lines * self._layout.columns

    def action_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        lines = max(self.scrollable_content_region.height - 1, 1)
        self.cursor += pages * lines * self._layout.columns * self._layout.stacked

    def action_jump(self, row: int) -> None:
        """Move the cursor to a row; -1 is the last."""
        self.cursor = row if row >= 0 else self.count - 1

    def action_choose(self) -> None:
        """Choose the row under the cursor."""
        if self.count:
            self.post_message(self.Chosen(self.cursor))

    def row_at(self, x: int, y: int) -> int | None:
        """The row drawn at a character of the widget's content (the upper one of two)."""
        return self._layout.row_at(y + self.scroll_offset.y, x, self.count)

    def on_click(self, event: events.Click) -> None:
        """Choose the cell under the mouse."""
        offset = event.get_content_offset(self)
        row = None if offset is None else self.row_at(offset.x, offset.y)
        if row is not None:
            self.cursor = row
            self.post_message(self.Chosen(row))

    def on_resize(self) -> None:
        """Lay the cells out anew."""
        self._arrange()

    def watch_show_vertical_scrollbar(self) -> None:
        """A scroll bar takes a column."""
        self._arrange()

    def on_focus(self) -> None:
        """Show the cursor."""
        self._repaint(np.array([self.cursor]))

    def on_blur(self) -> None:
        """Hide the cursor."""
        self._repaint(np.array([self.cursor]))

    def _arrange(self) -> None:
        if not self.is_mounted:
            return
        region = self.scrollable_content_region
        if self._roles is None:
            self._roles = roles_for(self)
        halves = self._roles.shades and bool(glyphs().upper_half)
        self._layout = choose_layout(
            self.count, region.width, region.height, group=self._group, halves=halves
        )
        self._codes = cell_codes(self._figures, self._marks, self._layout.levels)
        self._strips.clear()
        self.virtual_size = Size(region.width, self._layout.lines(self.count))
        self.set_reactive(HeatMap.cursor, self.validate_cursor(self.cursor))
        self.refresh()

    def _bring_into_view(self, line: int) -> None:
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        if line < top:
            self.scroll_to(y=line, animate=False)
        elif line >= top + height:
            self.scroll_to(y=line - height + 1, animate=False)

    def _repaint(self, rows: NDArray[np.intp]) -> None:
        """Refresh the visible characters of these rows, and no others."""
        if not len(rows) or not self.is_mounted:
            return
        regions = self._regions(rows)
        if regions:
            self.refresh(*regions)

    def _regions(self, rows: NDArray[np.intp]) -> list[Region]:
        layout = self._layout
        bands, columns = np.divmod(rows, layout.columns)
        lines = bands // layout.stacked - self.scroll_offset.y
        seen = (lines >= 0) & (lines < self.scrollable_content_region.height)
        spots = np.unique(lines[seen] * layout.columns + columns[seen])
        if not len(spots):
            return []
        lines, columns = np.divmod(spots, layout.columns)
        apart = (np.diff(lines) != 0) | (np.diff(columns) * layout.cell > JOIN)
        starts = np.flatnonzero(np.r_[True, apart])
        ends = np.flatnonzero(np.r_[apart, True])
        return [
            Region(
                x := layout.offset(int(columns[start])),
                int(lines[start]),
                layout.offset(int(columns[end])) + layout.cell - x,
                1,
            )
            for start, end in zip(starts, ends, strict=True)
        ]
