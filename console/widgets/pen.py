"""What a line-API widget draws with: the theme's styles and the terminal's characters."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from ..themes import Roles
from .glyphs import Glyphs

Cell = tuple[Segment, ...]


class Pen(NamedTuple):
    """Styles and characters, passed to everything that draws."""

    roles: Roles
    glyphs: Glyphs

    def text(self, text: str, width: int, style: Style, *, right: bool = False) -> Cell:
        """A text cut or padded to exactly `width` cells."""
        return (Segment(self.fit(text, width, right=right), style),)

    def fit(self, text: str, width: int, *, right: bool = False) -> str:
        """A text cut, with a mark, or padded to exactly `width` cells."""
        text = spoken(text, self.glyphs)
        length = len(text) if text.isascii() else cell_len(text)
        if length > width:
            return set_cell_size(text, width - 1) + self.glyphs.ellipsis if width > 0 else ""
        padding = " " * (width - length)
        return padding + text if right else text + padding


def printable(text: str) -> str:
    """A text that others chose, on one line and without what would steer the terminal."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else " " for letter in text)


ASCII_WORDS: Final = str.maketrans(
    {"×": "x", "°": "", "↑": "^", "↓": "v", "·": "|", "…": "~", "–": "-"}
)


def spoken(text: str, glyphs: Glyphs) -> str:
    """A text as this terminal can show it: on one line, and plain where there is no Unicode."""
    text = printable(text)
    if glyphs.name == "unicode" or text.isascii():
        return text
    return text.translate(ASCII_WORDS).encode("ascii", "replace").decode()


def width_of(segments: Iterable[Segment]) -> int:
    """Cells that segments take."""
    return sum(segment.cell_length for segment in segments)
