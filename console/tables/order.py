"""The order of rows by one column: stable, as people count, and what is not known last."""

import math
import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from ..widgets.table import Rows

DIGITS: Final = re.compile(r"(\d+)")

Natural = tuple[tuple[bool, int, str], ...]


def ranks(values: Sequence[object], descending: bool) -> Rows:
    """The positions of figures, or of texts, in their order. None and NaN come last either way."""
    known = [at for at, value in enumerate(values) if not _absent(value)]
    absent = [at for at, value in enumerate(values) if _absent(value)]
    known.sort(key=lambda at: _key(values[at]), reverse=descending)
    return np.array([*known, *absent], np.int64)


def natural(text: str) -> Natural:
    """Sorts "node-2" before "node-10", and without regard to capitals."""
    return tuple(
        (part.isdecimal(), int(part) if part.isdecimal() else 0, part)
        for part in DIGITS.split(text.lower())
        if part
    )


def _key(value: object) -> tuple[float, Natural]:
    if isinstance(value, int | float):
        return float(value), ()
    return 0.0, natural(str(value))


def _absent(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))
