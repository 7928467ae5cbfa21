"""Axes: where the ticks of a plot stand and what they say."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

SUFFIXES = ("", "k", "M", "G", "T", "P", "E")
HUGE = 1e18
"""From here on, and below `TINY`, a figure is written with an exponent."""
TINY = 1e-4


@dataclass(frozen=True, slots=True)
class Axes:
    """What a plot says around its curves."""

    title: str = ""
    """Above the plot."""

    unit: str = ""
    """Of the figures, after each: `%`, `W`, `°C`, `B`."""

    low: float | None = None
    """The figure at the lower edge; None takes it from the data."""

    high: float | None = None
    """The figure at the upper edge; None takes it from the data."""

    log: bool = False
    """A logarithmic vertical axis; figures that are not positive leave gaps."""

    across: Literal["steps", "age", "clock"] = "steps"
    """What x is: plain numbers, or unix seconds shown as age or as time of day."""

    span: float | None = None
    """How much of x is shown, ending with the newest; None shows all there is."""

    gap: float | None = None
    """A curve breaks where x jumps by more than this; None breaks it at NaN only."""

    utc: bool = False
    """Time of day in UTC rather than local."""


def compact(value: float, step: float = 0.0, unit: str = "") -> str:
    """A figure in a few characters with an SI suffix: `12.5k`, `0.03`, `n/a` for NaN.

    Args:
        value: The figure.
        step: The distance to the next tick, which decides the decimals; 0 gives three digits.
        unit: Appended; letters after a blank where there is no suffix, as `%` and `°C` too.
    """
    if not math.isfinite(value):
        return "n/a"
    size = abs(value)
    if size >= HUGE or 0 < size < TINY:
        text, suffix = _exponent(value), ""
    else:
        power = 0 if size < 999.5 else int(math.log10(size * 1.0005)) // 3
        scale = 1000.0**power
        text, suffix = f"{value / scale:.{_decimals(size / scale, step / scale)}f}", SUFFIXES[power]
    if not step and "." in text and "e" not in text:
        text = text.rstrip("0").rstrip(".")
    if not unit:
        return text + suffix
    return f"{text} {suffix}{unit}"


def _decimals(size: float, step: float) -> int:
    if step > 0:
        return min(max(math.ceil(-math.log10(step) - 1e-9), 0), 4)
    return 0 if size == 0 else min(max(2 - math.floor(math.log10(size)), 0), 6)


def _exponent(value: float) -> str:
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def nice_step(span: float, count: int) -> float:
    """The smallest of 1, 2, 5 times a power of ten that cuts `span` into at most `count` parts."""
    rough = span / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    for factor in (1.0, 2.0, 5.0):
        if factor * power >= rough * (1 - 1e-9):
            return factor * power
    return 10.0 * power


def ticks(low: float, high: float, step: float) -> list[float]:
    """The multiples of `step` from `low` to `high`, both included."""
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return [index * step for index in range(first, last + 1)]


def log_ticks(low: float, high: float, count: int) -> list[float]:
    """Exponents of ten from `low` to `high`: decades, or 1-2-5 where there are few."""
    decades = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    if len(decades) > max(count, 1):
        stride = -(-len(decades) // max(count, 1))
        return [float(decade) for decade in decades if decade % stride == 0]
    if len(decades) >= 3:
        return [float(decade) for decade in decades]
    found = [
        decade + math.log10(factor)
        for decade in range(math.floor(low), math.ceil(high) + 1)
        for factor in (1, 2, 5)
    ]
    fine = [value for value in found if low - 1e-9 <= value <= high + 1e-9]
    return fine if len(fine) <= max(count, 1) else [float(decade) for decade in decades]


# Steps in seconds at which a clock is read.
TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
DAY = 86400


def time_step(span: float, count: int) -> float:
    """The smallest step a clock is read at that cuts `span` seconds into at most `count` parts."""
    rough = span / max(count, 1)
    if rough < 1:
        return nice_step(span, count)
    for step in TIME_STEPS:
        if step >= rough:
            return float(step)
    return DAY * nice_step(max(span / DAY, 1e-9), count) if rough > DAY else float(DAY)


def age_text(seconds: float) -> str:
    """How long ago, in at most two units: `now`, `-30s`, `-4m30s`, `-2h`, `-3d12h`."""
    if seconds < 1e-9:
        return "now"
    for size, unit, part, part_unit in (
        (DAY, "d", 3600, "h"),
        (3600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if seconds >= size:
            whole, rest = divmod(round(seconds), size)
            return f"-{whole}{unit}" + (f"{rest // part}{part_unit}" if rest >= part else "")
    return f"-{compact(seconds)}s"


def clock_text(moment: float, step: float, utc: bool) -> str:
    """A unix time as time of day, with seconds or with the day where the step asks for them."""
    shown = datetime.fromtimestamp(moment, tz=UTC)
    shown = shown if utc else shown.astimezone()
    if step >= DAY:
        return shown.strftime("%m-%d")
    return shown.strftime("%H:%M:%S" if step < 60 else "%H:%M")


def x_ticks(low: float, high: float, count: int, axes: Axes) -> list[tuple[float, str]]:
    """Places on the horizontal axis and what they say, from left to right."""
    span = high - low
    if not span > 0:
        return []
    if axes.across == "steps":
        step = max(nice_step(span, count), 1.0)
        return [(value, compact(value, step)) for value in ticks(low, high, step)]
    step = time_step(span, count)
    if axes.across == "age":
        ages = ticks(0.0, span, step)
        return [(high - age, age_text(age)) for age in reversed(ages)]
    return [(value, clock_text(value, step, axes.utc)) for value in ticks(low, high, step)]
