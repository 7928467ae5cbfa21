"""A ring of the last samples of a few fields, time-major: curves for what is shown."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from .columns import Columns, Floats

BUDGET: Final = 64 * 2**20
"""Bytes that one ring may take."""

LONGEST: Final = 600
SHORTEST: Final = 60
"""Samples: ten minutes at one a second where the budget allows, at least one minute."""


class History:
    """The newest samples of some columns. Shape of a curve: (samples,), oldest first."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._ring: Floats = np.empty((LONGEST, len(names), 0), np.float32)
        self._times: npt.NDArray[np.float64] = np.full(LONGEST, np.nan)
        self._count = 0

    def __len__(self) -> int:
        return min(self._count, len(self._ring))

    def add(self, columns: Columns, time: float) -> None:
        """Append the present state of the columns, taken at `time` (seconds since 1970)."""
        if columns.rows > self._ring.shape[2]:
            self._widen(columns.rows)
        at = self._count % len(self._ring)
        for position, name in enumerate(self.names):
            self._ring[at, position, : columns.rows] = columns[name]
        self._times[at] = time
        self._count += 1

    def curve(self, name: str, row: int, samples: int | None = None) -> Floats:
        """The last samples of one row."""
        order = self._order(samples)
        if row >= self._ring.shape[2]:
            return np.full(len(order), np.nan, np.float32)
        curve: Floats = self._ring[order, self.names.index(name), row]
        return curve

    def times(self, samples: int | None = None) -> npt.NDArray[np.float64]:
        """When those samples were taken, seconds since 1970."""
        return self._times[self._order(samples)]

    def total(self, name: str, samples: int | None = None) -> Floats:
        """The sum over all rows at each of the last samples; NaN where nothing is known."""
        return self._over_rows(name, samples, mean=False)

    def mean(self, name: str, samples: int | None = None) -> Floats:
        """The mean over all rows at each of the last samples; NaN where nothing is known."""
        return self._over_rows(name, samples, mean=True)

    def _over_rows(self, name: str, samples: int | None, *, mean: bool) -> Floats:
        values = self._ring[self._order(samples), self.names.index(name)]
        known = np.count_nonzero(~np.isnan(values), axis=1)
        sums = np.nansum(values, axis=1)
        divisor = np.where(known == 0, np.nan, known if mean else 1)
        totals: Floats = (sums / divisor).astype(np.float32)
        return totals

    def _order(self, samples: int | None) -> npt.NDArray[np.int64]:
        kept = len(self) if samples is None else min(samples, len(self))
        return np.arange(self._count - kept, self._count) % len(self._ring)

    def _widen(self, rows: int) -> None:
        """Make room for more rows; the ring grows shorter as it grows wider."""
        room = max(rows, 2 * self._ring.shape[2], 16)
        affordable = BUDGET // (4 * room * len(self.names))
        length = int(min(max(affordable, SHORTEST), LONGEST, len(self._ring)))
        order = self._order(length)
        ring = np.full((length, len(self.names), room), np.nan, np.float32)
        ring[: len(order), :, : self._ring.shape[2]] = self._ring[order]
        times = np.full(length, np.nan)
        times[: len(order)] = self._times[order]
        self._ring, self._times, self._count = ring, times, len(order)
