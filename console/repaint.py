"""Only what changed is sent to the terminal, in as few escape sequences as it takes.

Textual's partial update repaints from a widget's left edge up to the end of each changed span, so
that many small changes on a line cost more than the line. An app that passes its updates through
`exact` sends the spans alone, and between two styles only the colours that differ:

    def _display(self, screen: Screen, renderable: RenderableType | None) -> None:
        super()._display(screen, exact(renderable))
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from rich.cells import cell_len
from rich.color import Color, ColorSystem
from rich.console import Console, RenderableType
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual.strip import SGR_STYLES, Strip

Span = tuple[int, int]

RESET = "\x1b[0m"
_PLAIN = Style.null()


def exact(update: RenderableType | None) -> RenderableType | None:
    """The same update, sent as its spans alone if it is a partial one."""
    if isinstance(update, ChopsUpdate):
        return Repaint(update.chops, update.spans, update.chop_ends)
    return update


class Repaint(ChopsUpdate):
    """A partial update that touches no character outside its spans."""

    def render_segments(self, console: Console) -> str:
        """The characters and escape sequences for the terminal."""
        system = console._color_system or ColorSystem.TRUECOLOR
        sequences: list[str] = []
        style, at = _PLAIN, (-1, -1)
        for y, x, text, own in self._pieces():
            if at != (x, y):
                sequences.append(f"\x1b[{y + 1};{x + 1}H")
            if own is not style:
                sequences.append(_change(style, own, system))
                style = own
            sequences.append(text)
            at = x + _width(text), y
        if style is not _PLAIN:
            sequences.append(RESET)
        return "".join(sequences)

    def _pieces(self) -> Iterator[tuple[int, int, str, Style]]:
        """Line, column, text and style of everything to paint, in reading order."""
        for y, spans in groupby(self.spans, key=itemgetter(0)):
            wanted = [(start, end) for _, start, end in spans]
            for x, strip in self.chops[y].items():
                if strip is not None:
                    for column, text, style in _inside(strip, x, wanted):
                        yield y, column, text, style


def _inside(strip: Strip, x: int, spans: list[Span]) -> Iterator[tuple[int, str, Style]]:
    """The parts of a strip that starts at column `x` which lie in the (rising) spans."""
    waiting = iter(spans)
    start, end = next(waiting)
    for segment in strip:
        after = x + _width(segment.text)
        while start < after:
            if end > x:
                left, right = max(start, x), min(end, after)
                yield left, _part(segment, left - x, right - x), segment.style or _PLAIN
            if end > after:
                break
            following = next(waiting, None)
            if following is None:
                return
            start, end = following
        x = after


def _part(segment: Segment, start: int, end: int) -> str:
    """Cells of a segment; half of a wide character becomes a blank."""
    text = segment.text
    if _width(text) == len(text):
        return text[start:end]
    return segment.split_cells(end)[0].split_cells(start)[1].text


def _width(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


@lru_cache(maxsize=16384)
def _change(before: Style, after: Style, system: ColorSystem) -> str:
    """What turns one style into another."""
    if after == _PLAIN:
        return RESET
    attributes = _attributes(after)
    if attributes != _attributes(before):
        codes = ["0", *attributes, *_ink(after.color, system), *_ink(after.bgcolor, system, False)]
        return f"\x1b[{';'.join(codes)}m"
    codes = []
    if after.color != before.color:
        codes += _ink(after.color, system) or ["39"]
    if after.bgcolor != before.bgcolor:
        codes += _ink(after.bgcolor, system, False) or ["49"]
    return f"\x1b[{';'.join(codes)}m" if codes else ""


def _attributes(style: Style) -> list[str]:
    bits = style._attributes & style._set_attributes
    return [code for bit, code in enumerate(SGR_STYLES) if bits & (1 << bit)]


def _ink(color: Color | None, system: ColorSystem, foreground: bool = True) -> list[str]:
    return [] if color is None else list(color.downgrade(system).get_ansi_codes(foreground))
