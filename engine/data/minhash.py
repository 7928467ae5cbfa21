"""Short signatures of sets, which agree in as many places as the sets are alike.

MinHash: A. Broder, "On the resemblance and containment of documents", 1997. The share of places in
which the signatures of two sets agree is an unbiased estimate of their Jaccard similarity s, the
size of their intersection by that of their union, with a standard error of sqrt(s (1 - s) / k) for
k places. Which pairs to look at is found by bands of places (locality-sensitive hashing: P. Indyk
and R. Motwani, "Approximate nearest neighbors", 1998; Leskovec, Rajaraman and Ullman, "Mining of
Massive Datasets", section 3.4).
"""

from math import sqrt
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from .shingles import FINAL, HALF, MULTIPLIER, Counts, Hashes

Signatures = NDArray[np.uint32]
"""[sets, places]."""

CHUNK: Final = 1024
"""Shingles permuted at a time: with a few hundred permutations they stay in a processor's cache."""

CERTAINTY: Final = 0.95


class Permutations:
    """Orders of all 32-bit numbers, and the first of a set in each."""

    def __init__(self, count: int, seed: int = 0) -> None:
        """Make `count` permutations x → a x + b modulo 2³², a odd, the same for a seed always."""
        drawn = np.fromiter(
            (xxh3_64_intdigest(at.to_bytes(8, "little"), seed) for at in range(count)), np.uint64
        )
        self.count = count
        self._factors = ((drawn >> HALF).astype(np.uint32) | np.uint32(1))[:, None]
        self._offsets = drawn.astype(np.uint32)[:, None]

    def signatures(self, shingles: Hashes, counts: Counts) -> Signatures:
        """The signatures of sets whose members stand one set after the other.

        Args:
            shingles: well mixed hashes, uint64 [sum of counts]; repeats do not matter.
            counts: members of each set, int64 [sets], at least 1 each.

        Returns:
            uint32 [sets, permutations].
        """
        least = np.full((self.count, len(counts)), np.iinfo(np.uint32).max, np.uint32)
        members = shingles.astype(np.uint32)
        ends = np.cumsum(counts)
        starts = ends - counts
        room = np.empty((self.count, CHUNK), np.uint32)
        for begin in range(0, len(members), CHUNK):
            piece = members[begin : begin + CHUNK]
            permuted = np.multiply(piece, self._factors, out=room[:, : len(piece)])
            permuted += self._offsets
            first = np.searchsorted(ends, begin, side="right")
            last = np.searchsorted(starts, begin + len(piece))
            cuts = np.maximum(starts[first:last] - begin, 0)
            own = least[:, first:last]
            np.minimum(own, np.minimum.reduceat(permuted, cuts, axis=1), out=own)
        return np.ascontiguousarray(least.T)


class Bands(msgspec.Struct, frozen=True):
    """How the places of a signature are divided; sets that agree in a whole band are candidates."""

    bands: int
    rows: int
    """Places of a band."""

    def probability(self, similarity: float) -> float:
        """How likely two sets of a Jaccard similarity s become candidates: 1 - (1 - s^r)^b."""
        return float(1 - (1 - similarity**self.rows) ** self.bands)

    def keys(self, signatures: Signatures) -> Hashes:
        """Each band as one number: uint64 [sets, bands]."""
        used = signatures[:, : self.bands * self.rows].reshape(-1, self.bands, self.rows)
        keys = np.zeros(used.shape[:2], np.uint64)
        for row in range(self.rows):
            keys ^= used[:, :, row]
            keys *= MULTIPLIER
            keys ^= keys >> HALF
        return keys * FINAL


def bands_for(threshold: float, places: int, certainty: float = CERTAINTY) -> Bands:
    """The bands that make a pair at the threshold a candidate with at least that certainty.

    Of those, the ones with most rows, since they make the fewest candidates below the threshold.
    Where none is certain enough, each place is a band.
    """
    for rows in range(places, 1, -1):
        bands = Bands(places // rows, rows)
        if bands.probability(threshold) >= certainty:
            return bands
    return Bands(places, 1)


def standard_error(similarity: float, places: int) -> float:
    """Of the Jaccard similarity as two signatures tell it."""
    return sqrt(similarity * (1 - similarity) / places)
