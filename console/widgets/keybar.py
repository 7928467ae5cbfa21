"""The last line of every screen: its keys, which a mouse can press as well."""

from rich.segment import Segment
from rich.style import Style

from ..actions import Action
from .lines import Line, Lines
from .pen import width_of


class KeyBar(Lines):
    """As many keys as fit; `?` lists them all."""

    DEFAULT_CSS = """
    KeyBar { height: 1; dock: bottom; background: $surface; }
    """

    def __init__(self, actions: list[Action]) -> None:
        super().__init__()
        self._actions = [action for action in actions if not action.quiet]

    def draw(self, width: int) -> list[Line]:
        """One line of keys and what they do."""
        pen = self.pen
        line: list[Segment] = [Segment(" ", pen.roles.base)]
        for action in self._actions:
            press = Style(meta={"@click": f"screen.press('{action.name}')"})
            item = [
                Segment(action.shown, pen.roles.key + press),
                Segment(f" {action.title}  ", pen.roles.dim + press),
            ]
            if width_of(line) + width_of(item) > width:
                break
            line += item
        return [line]
