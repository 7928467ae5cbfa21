"""Help: what does this screen tell me, and which keys does it know?"""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from ..actions import GRID_KEYS, offered
from .live import LiveScreen

KEY_WIDTH = 10


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

    def compose(self) -> ComposeResult:
        """Question, keys of the screen, keys of grids."""
        with VerticalScroll(classes="dialogue") as dialogue:
            dialogue.border_title = self._kind.capitalize()
            dialogue.border_subtitle = "Escape closes"
            yield Static(f"{self._question}\n", markup=False)
            actions = offered(self._kind, readonly=self._readonly)
            yield Static(_listed([(action.shown, action.tooltip) for action in actions]))
            yield Static(_listed(list(GRID_KEYS)))


def _question(screen: LiveScreen) -> str:
    """The first line of the screen's module: the question it answers."""
    import sys

    said = sys.modules[type(screen).__module__].__doc__ or ""
    return said.partition("\n")[0].partition(": ")[2].capitalize()


def _listed(keys: list[tuple[str, str]]) -> Content:
    lines = [Content.assemble((f"{shown:<{KEY_WIDTH}}", "bold $key"), text) for shown, text in keys]
    return Content("\n").join(lines)
