"""Lines of a file, each with its number, however long one of them is."""

from collections.abc import Iterator
from typing import BinaryIO

from ..rows import Piece

BLOCK = 1 << 20


def numbered(file: BinaryIO, piece: Piece, longest: int) -> Iterator[tuple[int, bytes, int]]:
    """The lines of a piece: number from 1 in the whole file, bytes, and how many there are.

    Of a line that is longer than `longest` the first bytes come, and the rest is never held.
    """
    file.seek(piece.begin)
    number, at = piece.line, piece.begin
    while piece.end < 0 or at < piece.end:
        line = file.readline(longest + 1)
        if not line:
            return
        size = len(line)
        if size > longest and not line.endswith(b"\n"):
            size += _skipped(file)
        yield number, line, size
        number += 1
        at += size


def too_long(size: int, longest: int) -> str:
    """Why such a row is kept aside."""
    return f"has {size:,} bytes, more than `longest` = {longest:,}"


def _skipped(file: BinaryIO) -> int:
    """Bytes to the end of the line, which are read and forgotten."""
    size = 0
    while rest := file.readline(BLOCK):
        size += len(rest)
        if rest.endswith(b"\n"):
            break
    return size
