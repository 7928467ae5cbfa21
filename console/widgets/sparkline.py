"""Sparklines: the last figures of one thing as a row of small columns, ready for a strip.

A figure that is absent (NaN) leaves a gap, which is not the column of zero.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.segment import Segment
from rich.style import Style

from ..themes import Roles
from .glyphs import Glyphs

HEIGHTS = 8
"""A column has one of so many heights; level 0 is a gap, so a zero is still seen."""


def levels(
    values: ArrayLike, low: float = 0.0, high: float = 1.0, steps: int = HEIGHTS
) -> NDArray[np.uint8]:
    """Figures as levels: 0 for NaN, else 1 (`low` or less) to `steps` (`high` or more).

    Any shape, so that a grid can work out all its rows at once. Where `low` = `high` every figure
    is level 1.
    """
    figures = np.asarray(values, dtype=np.float64)
    span = float(high) - float(low)
    if not span > 0:
        return np.where(np.isnan(figures), 0, 1).astype(np.uint8)
    with np.errstate(over="ignore", invalid="ignore"):
        share = np.clip((figures - low) / span, 0.0, 1.0)
    return np.where(np.isnan(share), 0, 1 + np.rint(share * (steps - 1))).astype(np.uint8)


def sparkline(
    values: ArrayLike,
    width: int,
    low: float,
    high: float,
    roles: Roles,
    glyphs: Glyphs,
    style: Style | None = None,
) -> tuple[Segment, ...]:
    """The last `width` figures, the newest at the right; too few leave the left side empty.

    Args:
        values: Figures, oldest first.
        width: Cells; the result is exactly so wide.
        low: The figure of the lowest column.
        high: The figure of the highest column.
        roles: The theme's styles.
        glyphs: The terminal's characters.
        style: One ink for all columns (the fewest bytes); by default each takes the ramp's.
    """
    if width <= 0:
        return ()
    figures = np.asarray(values, dtype=np.float64).ravel()[-width:]
    return columns(levels(figures, low, high).tobytes(), width, roles, glyphs, style)


@lru_cache(maxsize=4096)
def columns(
    heights: bytes, width: int, roles: Roles, glyphs: Glyphs, style: Style | None = None
) -> tuple[Segment, ...]:
    """Levels (0 to `HEIGHTS`) as segments `width` cells wide; equal levels give the same ones."""
    if width <= 0:
        return ()
    heights = heights[-width:].rjust(width, b"\0")
    text = "".join([glyphs.rows[height] for height in heights])
    if style is not None:
        return (Segment(text, style),)
    segments = []
    start = 0
    for end in range(1, width + 1):
        if end == width or heights[end] != heights[start]:
            segments.append(Segment(text[start:end], _ink(heights[start], roles)))
            start = end
    return tuple(segments)


def _ink(height: int, roles: Roles) -> Style:
    return roles.ramp((height - 1) / (HEIGHTS - 1)) if height else roles.base
