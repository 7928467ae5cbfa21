"""Help: what does this screen tell me, and which keys does it know?"""

import sys
from textwrap import wrap
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from ..actions import GRID_KEYS, offered
from ..widgets.glyphs import glyphs
from ..widgets.grid import Grid
from ..widgets.pen import spoken
from .live import LiveScreen

KEY_WIDTH = 12
TEXT_WIDTH = 52
"""Cells: together less than the dialogue is wide, at 80 columns too."""


class HelpScreen(ModalScreen[None]):
    """The question a screen answers, and its keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,minus,f1", "app.pop_screen", "Back", show=False)
    ]

    DEFAULT_CSS = """
    HelpScreen .dialogue { width: 76; }
    HelpScreen Static { width: 1fr; }
    """

    def __init__(self, of: LiveScreen, *, readonly: bool) -> None:
        super().__init__()
        self._kind = of.KIND
        self._question = _question(of)
        self._readonly = readonly
        self._columns = _columns(of)
        self._has_grid = any(grid.display for grid in of.query(Grid))

    def compose(self) -> ComposeResult:
        """Question, keys of the screen, keys of grids."""
        with VerticalScroll(classes="dialogue") as dialogue:
            dialogue.border_title = self._kind.capitalize()
            dialogue.border_subtitle = "Escape closes"
            yield Static(f"{self._question}\n", markup=False)
            actions = offered(self._kind, readonly=self._readonly)
            yield Static(_listed([(action.shown, action.tooltip) for action in actions]))
            if self._has_grid:
                yield Static(_listed(list(GRID_KEYS)))
            if self._columns:
                yield Static("\nColumns", classes="title")
                yield Static(_listed(self._columns))


def _question(screen: LiveScreen) -> str:
    """The first line of the screen's module: the question it answers."""
    said = sys.modules[type(screen).__module__].__doc__ or ""
    return said.partition("\n")[0].partition(": ")[2].capitalize()


def _columns(screen: LiveScreen) -> list[tuple[str, str]]:
    """Titles and meanings of the columns of the grids that are shown."""
    return [
        (column.title, column.meaning)
        for grid in screen.query(Grid)
        for column in grid.table.columns
        if grid.display and column.meaning
    ]


def _listed(keys: list[tuple[str, str]]) -> Content:
    """Keys at the left, their lines wrapped beside them."""
    lines = []
    for shown, text in keys:
        first, *rest = wrap(text, TEXT_WIDTH)
        key = spoken(shown, glyphs())
        lines.append(Content.assemble((f"{key:<{KEY_WIDTH}}", "bold $key"), first))
        lines += [Content(" " * KEY_WIDTH + line) for line in rest]
    return Content("\n").join(lines)
