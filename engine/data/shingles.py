"""What two texts are compared by: the runs of words in them, each as a number.

The same text gives the same numbers on every machine and in every process, whatever else is in its
block. A text of a script without spaces between words is few and long words to it.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

Hashes = NDArray[np.uint64]
Counts = NDArray[np.int64]

WORD: Final = re.compile(r"\w+")
ASCII: Final = bytes(
    byte if WORD.fullmatch(chr(byte)) and byte < 128 else ord(" ") for byte in range(256)
)
"""Bytes to bytes: what is not part of a word becomes a space. Gives the words that `WORD` finds."""

MULTIPLIER: Final = np.uint64(0x9E3779B185EBCA87)
FINAL: Final = np.uint64(0xC2B2AE3D27D4EB4F)
"""Odd constants with evenly spread bits: xxHash's PRIME64_1 and PRIME64_2 (its specification)."""

HALF: Final = np.uint64(32)
NOTHING: Final = b""
"""Stands for the words that a text shorter than one shingle lacks."""


def words(text: str) -> list[bytes]:
    """The words of a text, in order: without case, punctuation and white space, as UTF-8.

    Characters that mean the same are made the same first (Unicode's NFKC). Lone surrogates, which
    have no UTF-8, are no part of a word.
    """
    if text.isascii():
        return text.lower().encode().translate(ASCII).split()
    plain = unicodedata.normalize("NFKC", text).casefold()
    return [word.encode() for word in WORD.findall(plain)]


def shingles(texts: Sequence[str], length: int) -> tuple[Hashes, Counts]:
    """Every run of `length` words of every text, hashed.

    Args:
        texts: a block of texts. All its words are held at once.
        length: words of a shingle, at least 1.

    Returns:
        The shingles of all texts, one text after the other, uint64 [sum of counts], with repeats;
        and how many each text has, int64 [texts]: none where it has no words, one where it has no
        more than `length`.
    """
    found: list[bytes] = []
    sizes = np.zeros(len(texts), np.int64)
    for at, text in enumerate(texts):
        said = words(text)
        if said and len(said) < length:
            said += [NOTHING] * (length - len(said))
        found += said
        sizes[at] = len(said)
    hashed = np.fromiter(map(xxh3_64_intdigest, found), np.uint64, len(found))
    return _runs(hashed, sizes, length), np.where(sizes, sizes - length + 1, 0)


def _runs(hashed: Hashes, sizes: Counts, length: int) -> Hashes:
    """Runs of hashes made one hash each, without those that reach into the next text."""
    runs = max(len(hashed) - length + 1, 0)
    mixed = np.zeros(runs, np.uint64)
    for at in range(length):
        mixed ^= hashed[at : at + runs]
        mixed *= MULTIPLIER
        mixed ^= mixed >> HALF
    mixed *= FINAL
    mixed ^= mixed >> HALF
    ends = np.cumsum(sizes)[sizes > 0]
    whole = np.ones(len(hashed), bool)
    whole[(ends[:, None] - np.arange(1, length)).ravel()] = False
    return mixed[whole[:runs]]
