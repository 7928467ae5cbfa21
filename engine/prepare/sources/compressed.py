"""Files as they are, or read through what they were compressed with, block by block."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from ..paths import is_compressed

if TYPE_CHECKING:
    from collections.abc import Callable

OPENERS: Final[dict[str, Callable[..., object]]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
"""By suffix; `paths.COMPRESSED` has the same."""

DAMAGED: Final = (EOFError, zlib.error, lzma.LZMAError)
"""What reading one that is cut short or damaged raises, besides OSError."""


def opened(path: str) -> BinaryIO:
    """The file's own bytes, to be read from the beginning."""
    if not is_compressed(path):
        return open(path, "rb")
    return cast("BinaryIO", OPENERS[Path(path).suffix.lower()](path, "rb"))
