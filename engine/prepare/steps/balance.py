"""Which rows of the train part are seen how often, by label and by source.

Rows are chosen by the same hash as the parts are, with another seed: a row that stays out today
stays out when others are added, unless its label becomes rarer than it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .split import points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BALANCE_SEED, WEIGHT_SEED = 0xBA1A, 0x3161
"""Apart from each other and from the split's usual one, so that no choice follows another."""


def balanced(keys: Sequence[str], labels: NDArray[np.int64], most: float) -> NDArray[np.bool_]:
    """Which rows stay so that no label has more than `most` times the rows of the rarest.

    Args:
        keys: of the rows.
        labels: of the rows, int64 [rows].
        most: at least 1.

    Returns:
        bool [rows].
    """
    stays = np.ones(len(labels), bool)
    if not len(labels):
        return stays
    _, label, rows = np.unique(labels, return_inverse=True, return_counts=True)
    room = max(int(rows.min() * most), 1)
    at = points(keys, BALANCE_SEED)
    for one in np.flatnonzero(rows > room):
        own = np.flatnonzero(label == one)
        stays[own[np.argsort(at[own], kind="stable")][room:]] = False
    return stays


def repeats(keys: Sequence[str], weight: NDArray[np.float64]) -> NDArray[np.int64]:
    """How often each row stands in the train part for its source's weight: int64 [rows].

    The whole part of the weight is how often every row does; as many of them as the rest says once
    more.
    """
    whole = np.floor(weight)
    return (whole + (points(keys, WEIGHT_SEED) < weight - whole)).astype(np.int64)
