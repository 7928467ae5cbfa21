"""How a heat map is laid out and drawn: figures → cell codes → one line's segments. No widget.

A cell's code is `level | mark << 8`. Level 0 is absent, then 1 to the layout's `levels`; a mark
stands in for the level where a person should look, so that it is seen without colour too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from ...agents.protocol.fields import GPU_STATES
from ..themes import Roles
from .glyphs import Glyphs

Codes = NDArray[np.uint16]
Figures = NDArray[np.float64]

HOLD = 0.75
"""A cell keeps its level until its figure is so many levels away: noise repaints nothing."""


class Mark(IntEnum):
    """What a cell shows in place of its level; the higher hides the lower."""

    NONE = 0
    UNKNOWN = 1
    """Nothing was heard lately."""
    WARN = 2
    BAD = 3


def _marks_of_states() -> NDArray[np.uint8]:
    marks = np.full(256, Mark.UNKNOWN, dtype=np.uint8)
    meaning = {"ok": Mark.NONE, "slow": Mark.WARN}
    for code, state in enumerate(GPU_STATES):
        marks[code] = meaning.get(state, Mark.BAD)
    return marks


MARK_OF_STATE = _marks_of_states()
"""Indexed by a sample's `state` column (uint8) gives the marks."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each row of the data stands. Lines and cells count from 0."""

    columns: int
    """Cells on a line."""

    cell: int = 1
    """Characters a cell is wide."""

    stacked: int = 1
    """Rows of the data above each other in one character: 1, or 2 by half blocks."""

    group: int = 0
    """A blank stands after so many cells; 0 for none."""

    levels: int = 16
    """How many levels are told apart: fewer where many cells are to be repainted."""

    def lines(self, count: int) -> int:
        """Lines that `count` rows take."""
        return -(-count // (self.columns * self.stacked))

    def offset(self, column: int) -> int:
        """The character at which a cell begins."""
        return column * self.cell + (column // self.group if self.group else 0)

    @property
    def width(self) -> int:
        """Characters of a full line."""
        return self.offset(self.columns - 1) + self.cell

    def place(self, row: int) -> tuple[int, int, int]:
        """Line, cell and level of the stack where a row stands."""
        band, column = divmod(row, self.columns)
        line, level = divmod(band, self.stacked)
        return line, column, level

    def row_at(self, line: int, x: int, count: int) -> int | None:
        """The (upper) row drawn at a character of a line, if there is one."""
        if self.group:
            group, inside = divmod(x, self.group * self.cell + 1)
            column = group * self.group + inside // self.cell
            blank = inside == self.group * self.cell
        else:
            column, blank = x // self.cell, False
        row = line * self.stacked * self.columns + column
        return row if not blank and 0 <= column < self.columns and 0 <= row < count else None


def choose_layout(
    count: int, width: int, height: int, *, group: int = 0, halves: bool = True
) -> Layout:
    """The roomiest layout in which `count` rows fit; the tightest, to be scrolled, where none does.

    Args:
        count: Rows of the data.
        width: Characters there are.
        height: Lines there are.
        group: Cells that belong together (the GPUs of a node); 0 for none.
        halves: Whether two rows may share a character; needs half blocks and shades of colour.
    """
    width = max(width, 1)
    layouts = [_fit(width, cell, group) for cell in (2, 1)]
    if halves:
        layouts.append(Layout(columns=width, stacked=2, levels=8))
    for layout in layouts:
        if layout.lines(count) <= height:
            return layout
    return layouts[-1]


def _fit(width: int, cell: int, group: int) -> Layout:
    if group <= 0 or width < group * cell:
        return Layout(columns=max(width // cell, 1), cell=min(cell, width))
    groups = (width + 1) // (group * cell + 1)
    return Layout(columns=groups * group, cell=cell, group=group)


def cell_codes(
    figures: Figures, marks: NDArray[np.uint8] | None, levels: int, before: Codes | None = None
) -> Codes:
    """Codes of figures from 0 to 1 (limited to it), NaN for absent; any length.

    `before` are the codes of the same cells a moment ago: a cell near its level keeps it.
    """
    exact = np.clip(figures, 0.0, 1.0) * (levels - 1)
    codes = np.where(np.isnan(exact), 0, 1 + np.rint(exact)).astype(np.uint16)
    if before is not None and len(before) == len(codes):
        held = before & 0xFF
        near = (held > 0) & (np.abs(exact - (held.astype(np.int16) - 1)) < HOLD)
        codes = np.where(near, held, codes)
    if marks is not None:
        codes |= marks.astype(np.uint16) << 8
    return codes


def line_strip(
    codes: Codes, line: int, layout: Layout, cursor: int | None, roles: Roles, glyphs: Glyphs
) -> Strip:
    """One line of the map, at most `layout.width` wide.

    Args:
        codes: Of all cells.
        line: Which line, from 0.
        layout: From `choose_layout`.
        cursor: The row to point out, if it is on this line.
        roles: The theme's styles.
        glyphs: The terminal's characters.
    """
    start = line * layout.columns * layout.stacked
    upper = codes[start : start + layout.columns].tolist()
    lower = codes[start + layout.columns : start + 2 * layout.columns].tolist()
    at = layout.place(cursor)[1:] if cursor is not None else None
    if layout.stacked == 2:
        cells = _stacked_cells(upper, lower, layout, at, roles, glyphs)
    else:
        cells = _single_cells(upper, layout, at, roles, glyphs)
    segments = list(_joined(cells))
    return Strip(segments, sum(len(segment.text) for segment in segments))


Cell = tuple[str, Style]


def _single_cells(
    codes: list[int], layout: Layout, at: tuple[int, int] | None, roles: Roles, glyphs: Glyphs
) -> Iterator[Cell]:
    for column, code in enumerate(codes):
        if layout.group and column and column % layout.group == 0:
            yield " ", roles.base
        text, style = _single(code, layout.levels, roles, glyphs)
        if at is not None and column == at[0]:
            style += _REVERSE
        yield text * layout.cell, style


def _stacked_cells(
    upper: list[int],
    lower: list[int],
    layout: Layout,
    at: tuple[int, int] | None,
    roles: Roles,
    glyphs: Glyphs,
) -> Iterator[Cell]:
    lower = lower + [_NOTHING] * (len(upper) - len(lower))
    for column, pair in enumerate(zip(upper, lower, strict=True)):
        pointed = at[1] if at is not None and column == at[0] else None
        yield _stacked(*pair, pointed, layout.levels, roles, glyphs)


_REVERSE = Style(reverse=True)
_NOTHING = 0xFFFF
"""Stands below the last row where the last line's lower half is empty."""


@lru_cache(maxsize=1024)
def _single(code: int, levels: int, roles: Roles, glyphs: Glyphs) -> Cell:
    level, mark = code & 0xFF, Mark(code >> 8)
    if mark:
        return _mark(mark, roles, glyphs)
    if not level:
        return glyphs.absent, roles.faint
    share = (level - 1) / (levels - 1)
    height = 1 + round(share * (len(glyphs.rows) - 2))
    return glyphs.rows[height], roles.ramp(share)


@lru_cache(maxsize=4096)
def _stacked(
    upper: int, lower: int, pointed: int | None, levels: int, roles: Roles, glyphs: Glyphs
) -> Cell:
    worst = Mark(max(code >> 8 for code in (upper, lower) if code != _NOTHING))
    if worst:
        text, style = _mark(worst, roles, glyphs)
        return text, style if pointed is None else style + _REVERSE
    colours = [_half(code, levels, roles) for code in (upper, lower)]
    if pointed is not None:
        colours[pointed] = roles.title.color
    return glyphs.upper_half, Style(color=colours[0], bgcolor=colours[1])


def _half(code: int, levels: int, roles: Roles) -> Color | None:
    """The colour of half a character: the ground where there is nothing, a trace if absent."""
    if code == _NOTHING:
        return roles.base.bgcolor
    level = code & 0xFF
    return roles.ramp((level - 1) / (levels - 1)).color if level else roles.track.bgcolor


def _mark(mark: Mark, roles: Roles, glyphs: Glyphs) -> Cell:
    return {
        Mark.UNKNOWN: (glyphs.unknown, roles.faint),
        Mark.WARN: (glyphs.warn, roles.warn),
        Mark.BAD: (glyphs.bad, roles.bad),
    }[mark]


def _joined(cells: Iterator[Cell]) -> Iterator[Segment]:
    """Neighbours of one style as one segment."""
    texts: list[str] = []
    style: Style | None = None
    for text, own in cells:
        if style is not None and own is not style and own != style:
            yield Segment("".join(texts), style)
            texts = []
        texts.append(text)
        style = own
    if style is not None and texts:
        yield Segment("".join(texts), style)
