"""How a figure becomes a cell: makers of `Column.paint`."""

from collections.abc import Callable
from typing import Final

from rich.segment import Segment

from ...agents.protocol.fields import GPU_STATES
from ..quantities import ABSENT, known
from ..widgets.bar import bar
from ..widgets.pen import Cell, Pen
from ..widgets.sparkline import sparkline
from ..widgets.table import Row

Paint = Callable[[Row, int, Pen], Cell]
Figure = float | int | None


def words(key: str, role: str = "text", *, right: bool = False) -> Paint:
    """A text as it stands; n/a where there is none."""

    def paint(row: Row, width: int, pen: Pen) -> Cell:
        text = row.get(key)
        if text is None or text == "":
            return pen.text(ABSENT, width, pen.roles.faint, right=right)
        return pen.text(str(text), width, getattr(pen.roles, role), right=right)

    return paint


def figure(key: str, form: Callable[[Figure], str], role: str = "text") -> Paint:
    """A figure at the right."""

    def paint(row: Row, width: int, pen: Pen) -> Cell:
        value = row.get(key)
        style = getattr(pen.roles, role) if known(value) else pen.roles.faint
        return pen.text(form(value), width, style, right=True)

    return paint


def gauge(key: str, total: str | float, form: Callable[[Row], str]) -> Paint:
    """A bar of how full something is, with words on it.

    `total` is the figure that fills it, or the key of that figure in the row.
    """

    def paint(row: Row, width: int, pen: Pen) -> Cell:
        value = row.get(key)
        whole = row.get(total) if isinstance(total, str) else total
        fraction = value / whole if value is not None and whole else None
        return bar(fraction, width, pen.roles, pen.glyphs, text=form(row))

    return paint


def heat(key: str, form: Callable[[Figure], str], warn: str | float, bad: str | float) -> Paint:
    """A figure at the right that is coloured past two limits: figures, or keys in the row."""

    def paint(row: Row, width: int, pen: Pen) -> Cell:
        value = row.get(key)
        if not known(value):
            return pen.text(form(value), width, pen.roles.faint, right=True)
        style = pen.roles.text
        for limit, name in ((warn, "warn"), (bad, "bad")):
            level = row.get(limit) if isinstance(limit, str) else limit
            if known(level) and value is not None and level is not None and value >= level:
                style = getattr(pen.roles, name)
        return pen.text(form(value), width, style, right=True)

    return paint


def trend(key: str, high: float = 100.0) -> Paint:
    """A sparkline of the last figures."""

    def paint(row: Row, width: int, pen: Pen) -> Cell:
        values = row.get(key)
        if values is None:
            return (Segment(" " * width, pen.roles.base),)
        return sparkline(values, width, 0.0, high, pen.roles, pen.glyphs)

    return paint


_STATES: Final = {
    "lost": ("lost", "bad", "bad"),
    "hung": ("hung", "bad", "bad"),
    "slow": ("slow", "warn", "warn"),
    "failed": ("failed", "bad", "bad"),
}
"""State of a GPU → the word, the glyph and the role it is shown with."""

SLOWED: Final = 0b0110_0100
"""Throttle reasons that cost work and that a person should look at: hardware slowdown, hardware
thermal, power brake."""

_THROTTLED: Final = (
    (SLOWED, ("slowed", "bad", "bad")),
    (0b0001_0000, ("hot", "warn", "warn")),
    (0b0000_0010, ("capped", "ok", "ok")),
)
"""Throttle reasons, the worst first; then software thermal slowdown, and the power cap, which is
usual under load."""


def gpu_state_look(row: Row) -> tuple[str, str, str]:
    """The word, the glyph and the role for how a GPU does."""
    state, busy = row.get("state"), row.get("utilization")
    if not known(state):
        return "no data", "unknown", "faint"
    word = GPU_STATES[int(state or 0)]
    if word != "ok":
        return _STATES[word]
    bits = row.get("throttle")
    reasons = int(bits) if known(bits) and bits is not None else 0
    for mask, look in _THROTTLED:
        if reasons & mask:
            return look
    return ("idle", "idle", "idle") if busy == 0 else ("ok", "ok", "ok")


def gpu_state(row: Row, width: int, pen: Pen) -> Cell:
    """A mark and a word for how a GPU does."""
    word, glyph, role = gpu_state_look(row)
    return pen.text(f"{getattr(pen.glyphs, glyph)} {word}", width, getattr(pen.roles, role))
