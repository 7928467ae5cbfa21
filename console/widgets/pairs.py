"""Labels and what they say, one after the other, on as many lines as it takes."""

from collections.abc import Iterable

from rich.segment import Segment

from .pen import Pen, spoken, width_of

BETWEEN = 3
"""Blanks after each pair."""

Pair = tuple[str, str]


def pairs(said: Iterable[Pair], width: int, pen: Pen, most: int = 0) -> list[list[Segment]]:
    """Lines of `width` cells, broken between pairs.

    `most` lines, padded with empty ones where it takes fewer and without the last pairs where it
    takes more; 0 for all of them.
    """
    lines: list[list[Segment]] = [[]]
    for label, text in said:
        item = _drawn(label, text, width, pen)
        if lines[-1] and width_of(lines[-1]) + width_of(item) > width:
            if len(lines) == most:
                break
            lines.append([])
        lines[-1] += [*item, Segment(" " * BETWEEN, pen.roles.base)]
    return [*lines, *[[] for _ in range(most - len(lines))]]


def _drawn(label: str, text: str, width: int, pen: Pen) -> list[Segment]:
    room = max(width - len(label) - 1, 1)
    shown = spoken(text, pen.glyphs)
    if len(shown) > room or not shown.isascii():
        shown = pen.fit(shown, room).rstrip()
    return [Segment(f"{label} ", pen.roles.dim), Segment(shown, pen.roles.text)]
