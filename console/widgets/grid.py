"""A grid of rows and columns over a table of any length: it makes only the cells that are seen.

A `Table` knows the rows and how a cell looks; the grid knows the cursor, the order and the screen.
On an update each visible cell is made again and compared, and the terminal is sent those that
differ: a figure that stands still costs nothing.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ..themes import roles_for
from .glyphs import glyphs
from .pen import Cell, Pen
from .table import GAP, Column, Rows, Table, fit

BOLD = Style(bold=True)


class Grid(ScrollView, can_focus=True):
    """The visible part of a table, with a cursor that stays on its row whatever the order."""

    DEFAULT_CSS = """
    Grid {
        background: $background;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, tooltip="The row above"),
        Binding("down,j", "move(1)", "Down", show=False, tooltip="The row below"),
        Binding("pageup", "page(-1)", "Page up", show=False, tooltip="One page up"),
        Binding("pagedown", "page(1)", "Page down", show=False, tooltip="One page down"),
        Binding("home,g", "move(-1000000)", "First", show=False, tooltip="The first row"),
        Binding("end,G", "move(1000000)", "Last", show=False, tooltip="The last row"),
        Binding("enter", "open", "Open", show=False, tooltip="Open this row"),
        Binding(
            "less_than_sign",
            "sort(-1)",
            "Sort left",
            show=False,
            tooltip="Sort by the column before",
        ),
        Binding(
            "greater_than_sign",
            "sort(1)",
            "Sort right",
            show=False,
            tooltip="Sort by the next column",
        ),
        Binding("I", "invert", "Invert", show=False, tooltip="Turn the order around"),
    ]

    cursor: reactive[int | None] = reactive(None, repaint=False)
    """The row under the cursor, by the table's own number; None in an empty grid."""

    class Opened(Message):
        """Enter was pressed or a row was clicked twice."""

        def __init__(self, grid: "Grid", row: int) -> None:
            self.grid = grid
            self.row = row
            super().__init__()

        @property
        def control(self) -> "Grid":
            """The grid that says so."""
            return self.grid

    class Pointed(Message):
        """The cursor came to another row."""

        def __init__(self, grid: "Grid", row: int | None) -> None:
            self.grid = grid
            self.row = row
            super().__init__()

    class Sorted(Message):
        """A person chose another order."""

        def __init__(self, sort: str, descending: bool) -> None:
            self.sort = sort
            self.descending = descending
            super().__init__()

    def __init__(self, table: Table, *, id: str | None = None, empty: str = "") -> None:
        super().__init__(id=id)
        self.table = table
        self._empty = empty
        """What stands there where no row is."""

        self.sort = ""
        self.descending = False
        self.filter_text = ""
        self._pen: Pen | None = None
        self._order: Rows = np.zeros(0, np.int64)
        self._fitted: list[tuple[Column, int]] = []
        self._cells: dict[int, list[Cell]] = {}
        """By screen line, as last painted."""

    @property
    def pen(self) -> Pen:
        """What to draw with, on this widget's ground."""
        if self._pen is None:
            self._pen = Pen(roles_for(self), glyphs())
        return self._pen

    @property
    def row_count(self) -> int:
        """How many rows match."""
        return len(self._order)

    @property
    def lines_wanted(self) -> int:
        """Screen lines that would show every row, with the header."""
        return len(self._order) + 1

    def update(self) -> None:
        """The table changed: order the rows again and paint what differs."""
        self._order = self.table.arrange(self.sort, self.descending, self.filter_text)
        self._keep_cursor()
        size = Size(self._width, self.lines_wanted)
        if size != self.virtual_size:
            self.virtual_size = size
        if self._width:
            self._repaint()

    def set_filter(self, text: str) -> None:
        """Show only the rows that match `text`."""
        self.filter_text = text
        self.update()

    def set_table(self, table: Table) -> None:
        """Show another table; its columns, order and cursor start anew."""
        self.table = table
        self.sort, self.descending = "", False
        self.cursor = None
        self._relayout()

    def set_sort(self, sort: str, descending: bool) -> None:
        """Order by a column; "" for the natural order."""
        self.sort, self.descending = sort, descending
        self._cells.clear()
        self.update()
        self.refresh()
        self.post_message(self.Sorted(sort, descending))

    def render_line(self, y: int) -> Strip:
        """The header, then the rows that scroll under it."""
        if not self._fitted:
            self._fitted = fit(self.table.columns, self._width)
        if y == 0:
            return self._header()
        if y == 1 and not len(self._order):
            return self._said_empty()
        if y not in self._cells:
            self._cells.update(self._made([y]))
        return self._strip(y)

    def watch_cursor(self, before: int | None, after: int | None) -> None:
        """Two lines change: the one left and the one come to."""
        self._refresh_row(before)
        self._refresh_row(after)
        self.post_message(self.Pointed(self, after))

    def action_move(self, rows: int) -> None:
        """Move the cursor by some rows."""
        if not len(self._order):
            return
        at = min(max(self._position() + rows, 0), len(self._order) - 1)
        self._show(at)
        self.cursor = int(self._order[at])

    def action_page(self, pages: int) -> None:
        """Move the cursor by some screens."""
        self.action_move(pages * max(self._page, 1))

    def action_open(self) -> None:
        """Open the row under the cursor."""
        if self.cursor is not None:
            self.post_message(self.Opened(self, self.cursor))

    def action_sort(self, step: int) -> None:
        """Sort by the next column that is shown; past the ends, by the natural order."""
        keys = ["", *(column.key for column, _ in self._fitted)]
        at = keys.index(self.sort) if self.sort in keys else 0
        chosen = keys[(at + step) % len(keys)]
        self.set_sort(chosen, descending=bool(chosen))

    def action_invert(self) -> None:
        """Turn the order around."""
        self.set_sort(self.sort, not self.descending)

    def on_click(self, event: events.Click) -> None:
        """A header sorts, a row takes the cursor, a second click opens it."""
        if event.y == 0:
            self._click_header(event.x)
            return
        at = self._first + event.y - 1
        if at < len(self._order):
            self.cursor = int(self._order[at])
            if event.chain == 2:
                self.action_open()

    def on_resize(self) -> None:
        """The width decides which columns fit."""
        self._relayout()

    def watch_show_vertical_scrollbar(self) -> None:
        """The scroll bar came or went: the columns share what is beside it."""
        self._fitted = []
        self._cells.clear()
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Other rows are seen."""
        super().watch_scroll_y(old_value, new_value)
        self._cells.clear()

    def notify_style_update(self) -> None:
        """The theme changed."""
        super().notify_style_update()
        self._cells.clear()
        self._pen = None

    @property
    def _first(self) -> int:
        """The position in the order of the row right under the header."""
        return self.scroll_offset.y

    @property
    def _width(self) -> int:
        """Cells beside the scroll bar."""
        return self.size.width - self.scrollbar_size_vertical

    @property
    def _page(self) -> int:
        return max(self.size.height - 1, 0)

    def _relayout(self) -> None:
        self._fitted = []
        self._cells.clear()
        self.update()
        self.refresh()

    def _position(self) -> int:
        found = np.flatnonzero(self._order == self.cursor)
        return int(found[0]) if len(found) else 0

    def _line_of(self, row: int) -> int | None:
        found = np.flatnonzero(self._order == row)
        if not len(found):
            return None
        y = int(found[0]) - self._first + 1
        return y if 1 <= y <= self._page else None

    def _keep_cursor(self) -> None:
        if not len(self._order):
            self.cursor = None
        elif self.cursor is None or not (self._order == self.cursor).any():
            self.cursor = int(self._order[0])

    def _show(self, at: int) -> None:
        """Scroll so that the row at a position is seen."""
        if at < self._first:
            self.scroll_to(y=at, animate=False, immediate=True, force=True)
        elif at >= self._first + self._page:
            self.scroll_to(y=at - self._page + 1, animate=False, immediate=True, force=True)

    def _repaint(self) -> None:
        if not self._fitted:
            self._fitted = fit(self.table.columns, self._width)
        made = self._made(range(1, self.size.height))
        regions: list[Region] = []
        for y, cells in made.items():
            before = self._cells.get(y)
            if before is None or len(before) != len(cells):
                regions.append(Region(0, y, self._width, 1))
            else:
                regions += self._changed(y, before, cells)
        self._cells = made
        if regions:
            self.refresh(*regions)

    def _changed(self, y: int, before: list[Cell], after: list[Cell]) -> list[Region]:
        if before == after:
            return []
        regions = []
        x = 0
        widths = [width for _, width in self._fitted]
        for old, new, width in zip(before, after, widths, strict=False):
            if old != new:
                regions.append(Region(x, y, width, 1))
            x += width + GAP
        return regions or [Region(0, y, self._width, 1)]

    def _made(self, lines: Sequence[int]) -> dict[int, list[Cell]]:
        """The cells of some screen lines; lines below the last row are empty."""
        first, total, pen = self._first, len(self._order), self.pen
        positions = [first + y - 1 for y in lines]
        seen = [int(self._order[at]) for at in positions if at < total]
        painted = [
            [column.paint(row, width, pen) for column, width in self._fitted]
            for row in self.table.rows(seen)
        ]
        blank: list[list[Cell]] = [[] for _ in range(len(lines) - len(painted))]
        return dict(zip(lines, painted + blank, strict=True))

    def _strip(self, y: int) -> Strip:
        base = self.pen.roles.base
        segments: list[Segment] = []
        gap = Segment(" " * GAP, base)
        for cell in self._cells[y]:
            segments.extend(cell)
            segments.append(gap)
        strip = Strip(segments).adjust_cell_length(self._width, base)
        at = self._first + y - 1
        if at < len(self._order) and int(self._order[at]) == self.cursor:
            strip = self._pointed_out(strip)
        return strip

    def _pointed_out(self, strip: Strip) -> Strip:
        """The line under the cursor: on another ground with the keys, else in bold letters."""
        pen = self.pen
        selection, ground = pen.roles.selection, pen.roles.base.bgcolor
        if not self.has_focus:
            return strip.apply_style(BOLD)
        drawn = set() if pen.roles.shades else {*pen.glyphs.rows, *pen.glyphs.columns} - {" "}
        segments = []
        for text, style, _ in strip:
            own = style or pen.roles.base
            # Bars keep their ground; reversed, as it is done without shades, they would turn over.
            keeps = own.bgcolor != ground or drawn.issuperset(text)
            segments.append(Segment(text, own if keeps else own + selection))
        return Strip(segments, strip.cell_length)

    def on_focus(self) -> None:
        """The keys come: the cursor is seen from afar."""
        self._refresh_row(self.cursor)

    def on_blur(self) -> None:
        """The keys go elsewhere."""
        self._refresh_row(self.cursor)

    def _refresh_row(self, row: int | None) -> None:
        y = None if row is None else self._line_of(row)
        if y is not None:
            self.refresh(Region(0, y, self._width, 1))

    def _header(self) -> Strip:
        pen = self.pen
        segments: list[Segment] = []
        for column, width in self._fitted:
            title, style = column.title, pen.roles.header
            if column.key == self.sort:
                arrow = pen.glyphs.descending if self.descending else pen.glyphs.ascending
                title, style = f"{title}{arrow}", pen.roles.accent
            segments.extend(pen.text(title, width, style, right=column.right))
            segments.append(Segment(" " * GAP, pen.roles.base))
        return Strip(segments).adjust_cell_length(self._width, pen.roles.base)

    def _said_empty(self) -> Strip:
        text = "no row contains these words" if self.filter_text else self._empty
        pen = self.pen
        return Strip([*pen.text(text, self._width, pen.roles.dim)])

    def _click_header(self, x: int) -> None:
        start = 0
        for column, width in self._fitted:
            if start <= x < start + width + GAP:
                again = column.key == self.sort
                self.set_sort(column.key, not self.descending if again else True)
                return
            start += width + GAP
