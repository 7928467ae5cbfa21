"""Figures as foreign files hold them, one by one, brought into the form of our own lines."""

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from ..reports.progress import PLACES, VALUE_LIMIT, Line, Metric, Value, short_text

CHUNK: Final = 2**18
"""Bytes that a reader takes at once."""


class Reader(Protocol):
    """Reads on in a growing file, from where it stopped. Raises nothing, whatever stands there."""

    bad: int
    """Things skipped since they had no meaning."""

    @property
    def behind(self) -> bool:
        """Whether the last `read` stopped before the end of what is written."""

    def read(self) -> Sequence[Line]:
        """The next figures, none at the end of what is written so far."""


class Point(NamedTuple):
    """One figure at one step."""

    name: str
    step: int | None
    time: float | None
    """Seconds since 1970."""

    value: float


def as_lines(points: Iterable[Point]) -> list[Metric]:
    """Figures of the same step that follow each other become one line, as a trainer writes it."""
    lines: list[Metric] = []
    step: int | None = None
    values: dict[str, Value] = {}
    for point in points:
        name = short_text(point.name)
        if name in PLACES:
            continue
        if not values or point.step != step or name in values or len(values) >= VALUE_LIMIT:
            step, values = point.step, place(point.step, point.time)
            lines.append(Metric(values))
        values[name] = finite(point.value)
    return lines


def place(step: int | None, time: float | None) -> dict[str, Value]:
    """Where a line stands, as far as that is known."""
    values: dict[str, Value] = {}
    if time is not None and math.isfinite(time):
        values["t"] = time
    if step is not None:
        values["step"] = step
    return values


def finite(value: float) -> float | None:
    """None for what was measured and is no number."""
    return value if math.isfinite(value) else None
