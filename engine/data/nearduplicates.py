"""Finds the documents that say the same as an earlier one, word for word or nearly.

Documents come in blocks and are forgotten; of each, some 600 bytes stay in memory (its band keys,
half its signature and its digest), none of it the text. The answer depends on the documents and
their order alone: not on the blocks, the process or the machine.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from .minhash import Bands, Permutations, Signatures, bands_for, standard_error
from .shingles import Hashes, shingles

Numbers = NDArray[np.int64]
"""Of documents, from 0 in the order in which they came."""

PIECE: Final = 200_000
"""Characters whose words are held at once, unless one document has more."""

PAIRS: Final = 8192
"""Pairs whose signatures are compared at once."""


class Likeness(msgspec.Struct, frozen=True):
    """From when on two documents count as one."""

    threshold: float = 0.72
    """Jaccard similarity of their shingles, above 0 up to 1. The default is that of the FineWeb
    data set (Penedo et al. 2024), (1/14)^(1/8)."""

    words: int = 5
    """Of a shingle. Fewer find more alike, and what is alike by chance, too."""

    permutations: int = 128
    """Places of a signature: the estimate's standard error is at most 0.5 / sqrt(permutations)."""

    seed: int = 0
    """Of the permutations."""

    @property
    def bands(self) -> Bands:
        """How candidates are found."""
        return bands_for(self.threshold, self.permutations)

    @property
    def least(self) -> float:
        """The estimate from which on a pair is a duplicate: a standard error below the threshold.

        So five of six pairs at the threshold are found, and not every second.
        """
        return self.threshold - standard_error(self.threshold, self.permutations)


class Duplicates(msgspec.Struct, frozen=True):
    """Which documents say the same."""

    first: Numbers
    """The first document of the cluster that a document is in, int64 [documents]: itself where it
    stays."""

    exact: NDArray[np.bool_]
    """Whether an earlier document is the same text, bool [documents]."""

    @property
    def stays(self) -> NDArray[np.bool_]:
        """Whether a document is the first of its cluster, bool [documents]."""
        return np.equal(self.first, np.arange(len(self.first)))

    def clusters(self) -> list[list[int]]:
        """The documents of every cluster of two or more, in order."""
        members: dict[int, list[int]] = {}
        for number in np.flatnonzero(~self.stays).tolist():
            first = int(self.first[number])
            members.setdefault(first, [first]).append(number)
        return [members[first] for first in sorted(members)]


class NearDuplicates:
    """Takes documents block by block and tells at the end which are duplicates."""

    def __init__(self, likeness: Likeness | None = None) -> None:
        self._likeness = likeness or Likeness()
        self._bands = self._likeness.bands
        self._permutations = Permutations(self._likeness.permutations, self._likeness.seed)
        self._digests: dict[bytes, int] = {}
        self._exact: list[int] = []
        self._numbers: list[Numbers] = []
        self._keys: list[Hashes] = []
        self._traces: list[NDArray[np.uint16]] = []

    def add(self, texts: Iterable[str]) -> None:
        """Take the next documents."""
        for piece in _pieces(texts):
            self._add(piece)

    def found(self) -> Duplicates:
        """The duplicates among all documents taken so far."""
        exact = np.array(self._exact, np.int64)
        leaders = exact.copy()
        if self._numbers:
            numbers, traces = np.concatenate(self._numbers), np.concatenate(self._traces)
            for band in range(self._bands.bands):
                keys = np.concatenate([keys[:, band] for keys in self._keys])
                left, right = _candidates(keys)
                apart = leaders[numbers[left]] != leaders[numbers[right]]
                left, right = left[apart], right[apart]
                alike = _agreement(traces, left, right) >= self._likeness.least
                leaders = _united(leaders, numbers[left[alike]], numbers[right[alike]])
        return Duplicates(leaders, exact != np.arange(len(exact)))

    def _add(self, texts: Sequence[str]) -> None:
        new: list[int] = []
        begin = len(self._exact)
        for number, text in enumerate(texts, begin):
            first = self._digests.setdefault(_digest(text), number)
            self._exact.append(first)
            if first == number:
                new.append(number)
        hashed, counts = shingles([texts[number - begin] for number in new], self._likeness.words)
        worded = counts > 0
        signatures = self._permutations.signatures(hashed, counts[worded])
        self._numbers.append(np.array(new, np.int64)[worded])
        self._keys.append(self._bands.keys(signatures))
        self._traces.append(_trace(signatures))


def near_duplicates(texts: Iterable[str], likeness: Likeness | None = None) -> Duplicates:
    """The duplicates among texts, which are read once and not kept."""
    found = NearDuplicates(likeness)
    found.add(texts)
    return found.found()


def _pieces(texts: Iterable[str]) -> Iterator[list[str]]:
    piece: list[str] = []
    size = 0
    for text in texts:
        piece.append(text)
        size += len(text)
        if size >= PIECE:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


def _trace(signatures: Signatures) -> NDArray[np.uint16]:
    """Half of every place: two that differ agree in it once in 65,536, far below the error."""
    return signatures.astype(np.uint16)


def _candidates(keys: Hashes) -> tuple[Numbers, Numbers]:
    """Each row with the one before it of the same key, and with the first of that key.

    All pairs would be the square of their number; a chain of likeness is united just as well.
    """
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    same = np.zeros(len(keys), bool)
    same[1:] = ordered[1:] == ordered[:-1]
    at = np.flatnonzero(same)
    firsts = np.maximum.accumulate(np.where(same, 0, np.arange(len(keys))))[at]
    further = firsts < at - 1
    left = np.concatenate([order[at - 1], order[firsts[further]]])
    return left, np.concatenate([order[at], order[at[further]]])


def _agreement(traces: NDArray[np.uint16], left: Numbers, right: Numbers) -> NDArray[np.float64]:
    """The estimated Jaccard similarity of each pair, float64 [pairs]."""
    told = np.empty(len(left))
    for at in range(0, len(left), PAIRS):
        some = slice(at, at + PAIRS)
        told[some] = (traces[left[some]] == traces[right[some]]).mean(axis=1)
    return told


def _united(leaders: Numbers, left: Numbers, right: Numbers) -> Numbers:
    """Union-find over all pairs at once: the least number of each cluster, int64 [documents].

    Args:
        leaders: the least number of each document's cluster until now.
        left: documents, each in one cluster from now on with that in `right`.
        right: the other documents.
    """
    while True:
        ours, theirs = leaders[left], leaders[right]
        apart = ours != theirs
        if not apart.any():
            return leaders
        ours, theirs = ours[apart], theirs[apart]
        np.minimum.at(leaders, np.maximum(ours, theirs), np.minimum(ours, theirs))
        while not np.array_equal(leaders, further := leaders[leaders]):
            leaders = further
