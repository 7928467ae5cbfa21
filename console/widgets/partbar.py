"""Which parts has this screen, where there is room for one at a time, and which is shown?"""

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style

from .lines import Line, Lines


class PartBar(Lines):
    """Their names in a line. The screen shows a part in its `action_show_part`."""

    DEFAULT_CSS = """
    PartBar { padding: 0 1; height: 1; }
    """

    def __init__(self) -> None:
        super().__init__(id="parts")
        self._parts: Sequence[str] = ()
        self._part = ""

    def show(self, parts: Sequence[str], part: str) -> None:
        """Show these names, of which `part` is the one that is shown."""
        self._parts, self._part = parts, part
        self.repaint()

    def beside(self, by: int) -> str:
        """The part so many places further; after the last comes the first."""
        at = self._parts.index(self._part) if self._part in self._parts else 0
        return self._parts[(at + by) % len(self._parts)]

    def draw(self, width: int) -> list[Line]:
        """The names, which a mouse can press; the one that is shown stands out."""
        roles = self.pen.roles
        line: list[Segment] = []
        for part in self._parts:
            shown = part == self._part
            press = Style(meta={"@click": f"screen.show_part('{part}')"}, underline=shown)
            line += [
                Segment(part, (roles.accent if shown else roles.dim) + press),
                Segment("   ", roles.base),
            ]
        return [[*line, Segment("Tab: the next", roles.faint)]]
