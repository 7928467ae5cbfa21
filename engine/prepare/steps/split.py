"""Divides rows into parts, without a look at the order in which they came.

A row's part follows from a hash of its id, or of its group, alone. So it is the same on each
machine and in each run, and stays when other rows are added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from xxhash import xxh3_64_intdigest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..spec import Split

PARTS: Final = ("train", "valid", "test")
TRAIN, VALID, TEST = range(3)


def points(keys: Sequence[str], seed: int) -> NDArray[np.float64]:
    """Where each key falls between 0 and 1, float64 [keys], evenly and always in the same place."""
    hashed = np.fromiter(
        (xxh3_64_intdigest(key.encode(), seed) for key in keys), np.uint64, len(keys)
    )
    # 53 bits are what a double holds: no point is rounded up to 1.
    return np.asarray((hashed >> np.uint64(11)).astype(np.float64) / 2.0**53)


def divided(keys: Sequence[str], split: Split) -> NDArray[np.uint8]:
    """The part of each row by its own key, or that of its group: uint8 [rows]."""
    at = points(keys, split.seed)
    parts = np.full(len(at), TRAIN, np.uint8)
    parts[at < split.test + split.valid] = VALID
    parts[at < split.test] = TEST
    return parts


def stratified(keys: Sequence[str], labels: NDArray[np.int64], split: Split) -> NDArray[np.uint8]:
    """The parts with the same shares of each label, to a row: uint8 [rows].

    Args:
        keys: of the rows; equal keys come into one part.
        labels: of the rows, int64 [rows].
        split: the shares.

    Of each label those with the lowest points are the test, those after them valid. The border
    moves a little when rows are added, and rows near it may change their part.
    """
    at = points(keys, split.seed)
    parts = np.full(len(at), TRAIN, np.uint8)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        order = own[np.argsort(at[own], kind="stable")]
        first = round(len(own) * split.test)
        second = round(len(own) * (split.test + split.valid))
        # A point on the border takes all of its rows along.
        parts[order[at[order] <= at[order[second - 1]]] if second else []] = VALID
        parts[order[at[order] <= at[order[first - 1]]] if first else []] = TEST
    return parts
