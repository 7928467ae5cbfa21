"""Bars: how full one thing is, to an eighth of a cell, with words on it if wanted."""

import math
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style

from ..themes import Roles
from .glyphs import Glyphs

EIGHTHS = 8


def bar(
    fraction: float | None,
    width: int,
    roles: Roles,
    glyphs: Glyphs,
    text: str = "",
    style: Style | None = None,
) -> tuple[Segment, ...]:
    """A bar filled from the left.

    Args:
        fraction: 0 to 1 (limited to it); None or NaN is absent: an empty bar that says `n/a`.
        width: Cells; the result is exactly so wide.
        roles: The theme's styles.
        glyphs: The terminal's characters.
        text: One-cell characters laid over the right end, cut where the bar is shorter.
        style: The filling's ink; by default the ramp's for `fraction`.
    """
    if width <= 0:
        return ()
    if fraction is None or math.isnan(fraction):
        return _drawn(0, width, roles, glyphs, text or "n/a", roles.faint)
    eighths = int(min(max(fraction, 0.0), 1.0) * width * EIGHTHS + 0.5)
    if fraction > 0:
        eighths = max(eighths, 1)
    return _drawn(eighths, width, roles, glyphs, text, style or roles.ramp(fraction))


@lru_cache(maxsize=4096)
def _drawn(
    eighths: int, width: int, roles: Roles, glyphs: Glyphs, text: str, ink: Style
) -> tuple[Segment, ...]:
    """The same bar gives the same segments."""
    text = text[:width]
    on_text = width - len(text)
    full = eighths // EIGHTHS
    plain = _plain_part(eighths, on_text, roles, glyphs, ink)
    if not text:
        return plain
    # Under words a cell is full or empty; reverse says which, with colour and without.
    covered = max(min(round(eighths / EIGHTHS), width) - on_text, 0) if full >= on_text else 0
    words = (
        Segment(text[:covered], ink + Style(reverse=True)),
        Segment(text[covered:], roles.track + _word_ink(roles)),
    )
    return plain + tuple(segment for segment in words if segment.text)


def _plain_part(
    eighths: int, width: int, roles: Roles, glyphs: Glyphs, ink: Style
) -> tuple[Segment, ...]:
    """The cells without words: full ones, one in part, empty ones."""
    full, part = divmod(min(eighths, width * EIGHTHS), EIGHTHS)
    rest = width - full - (1 if part else 0)
    segments = []
    if full:
        segments.append(Segment(glyphs.columns[EIGHTHS] * full, ink))
    if part:
        edge = glyphs.columns[part]
        segments.append(Segment(edge, Style(color=ink.color) + Style(bgcolor=roles.track.bgcolor)))
    if rest:
        filler = glyphs.track if roles.shades else glyphs.grid
        segments.append(Segment(filler * rest, roles.track))
    return tuple(segments)


@lru_cache(maxsize=16)
def _word_ink(roles: Roles) -> Style:
    return Style(color=roles.text.color)
