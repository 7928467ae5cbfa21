"""Samples gathered into stretches of time that do not move, so that a plot stays still meanwhile.

A curve whose every sample shifts each second repaints the whole plot each second; one whose points
belong to fixed stretches repaints when a stretch is full.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

STEPS: Final = (1, 2, 5, 10, 15, 30, 60)
"""Lengths of a stretch, in seconds."""


def stretch(span: float, dots: int) -> float:
    """The shortest stretch of which `dots` cover `span` seconds."""
    return next((step for step in STEPS if step * max(dots, 1) >= span), STEPS[-1])


def gather(times: npt.ArrayLike, values: npt.ArrayLike, step: float) -> tuple[Floats, Floats]:
    """The mean of each full stretch of `step` seconds: (middles, means), both of shape (n,).

    The stretch under way is left out, unless it is the first there is. One without any known
    sample is NaN; one without any sample is not there.
    """
    when, what = np.asarray(times, np.float64), np.asarray(values, np.float64)
    if not len(when):
        return when, what
    ids = np.floor(when / step).astype(np.int64)
    full = ids < ids[-1]
    if full.any():
        ids, what = ids[full], what[full]
    starts = np.flatnonzero(np.r_[True, np.diff(ids) != 0])
    known = ~np.isnan(what)
    counts = np.add.reduceat(known.astype(np.int64), starts)
    sums = np.add.reduceat(np.where(known, what, 0.0), starts)
    means: Floats = np.full(len(starts), np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return (ids[starts].astype(np.float64) + 0.5) * step, means
