"""Figures as a person reads them: short, with the unit, and `n/a` where not known."""

import math
from typing import Final

ABSENT: Final = "n/a"
BINARY: Final = ("K", "M", "G", "T", "P")
DECIMAL: Final = ("", "k", "M", "G", "T")

Figure = float | int | None


def known(value: Figure) -> bool:
    """Whether there is a figure: neither None nor NaN nor without end."""
    return value is not None and math.isfinite(value)


def percent(value: Figure) -> str:
    """As "63%"."""
    return ABSENT if value is None or not math.isfinite(value) else f"{value:.0f}%"


def celsius(value: Figure) -> str:
    """As "71°"."""
    return ABSENT if value is None or not math.isfinite(value) else f"{value:.0f}°"


def watts(value: Figure) -> str:
    """As "412W" or "5.60kW"."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return f"{value:.0f}W" if value < 1000 else f"{value / 1000:.2f}kW"


def megahertz(value: Figure) -> str:
    """As "1980"."""
    return ABSENT if value is None or not math.isfinite(value) else f"{value:.0f}"


def mebibytes(value: Figure) -> str:
    """An amount of memory given in MiB, as "71.3G"."""
    return ABSENT if value is None or not math.isfinite(value) else _scaled(value * 1024, BINARY)


def kibibytes(value: Figure) -> str:
    """An amount or rate given in KiB, as "2.1M"."""
    return ABSENT if value is None or not math.isfinite(value) else _scaled(value, BINARY)


def rate(value: Figure) -> str:
    """A rate given in KiB/s, as "2.1M/s"; without the unit where nothing moves."""
    text = kibibytes(value)
    return text if text in (ABSENT, "0") else f"{text}/s"


def of_total(used: Figure, total: Figure) -> str:
    """Two amounts in MiB, as "71.3/79.6G", with the total's unit where both share it."""
    left, right = mebibytes(used), mebibytes(total)
    if left[-1] == right[-1] and known(used) and known(total):
        left = left[:-1]
    return f"{left}/{right}"


def count(value: Figure) -> str:
    """A plain number, as "12.4k"."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return f"{value:g}" if abs(value) < 1000 and value == int(value) else _scaled(value, DECIMAL)


def number(value: Figure) -> str:
    """A measured number to four digits, as "3.142" or "0.0003"."""
    return ABSENT if value is None or not math.isfinite(value) else f"{value:.4g}"


def duration(seconds: Figure) -> str:
    """As "42s", "3m10s", "5h02m" or "12d04h"."""
    if seconds is None or not math.isfinite(seconds):
        return ABSENT
    whole = max(int(seconds), 0)
    for unit, size, part, part_size in (("d", 86400, "h", 3600), ("h", 3600, "m", 60)):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // part_size:02d}{part}"
    return f"{whole // 60}m{whole % 60:02d}s" if whole >= 60 else f"{whole}s"


def age(seconds: Figure) -> str:
    """How old a figure is: tenths below ten seconds."""
    if seconds is None or not math.isfinite(seconds):
        return ABSENT
    return f"{seconds:.1f}s" if seconds < 10 else duration(seconds)


def _scaled(value: float, units: tuple[str, ...]) -> str:
    step = 1024 if units is BINARY else 1000
    for unit in units[:-1]:
        if abs(value) < 999.5:
            return _with_unit(value, unit)
        value /= step
    return _with_unit(value, units[-1])


def _with_unit(value: float, unit: str) -> str:
    """Nothing is nothing in every unit."""
    text = _three_digits(value)
    return text if text == "0" else f"{text}{unit}"


def _three_digits(value: float) -> str:
    if value == 0 or abs(value) >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}".rstrip("0").rstrip(".")
