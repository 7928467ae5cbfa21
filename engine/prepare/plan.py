"""What there is to read, cut into shards: the same for every rank, and known by its digest.

A shard is some files of one source, or a part of a long one that begins and ends with a line. It is
the unit of a rank's work, and what another attempt need not do again.
"""

import os
from collections.abc import Iterator
from typing import Final

import msgspec
from xxhash import xxh3_128_hexdigest

from ...agents.errors import SpecError
from .paths import MODULE, Found, found_files, is_compressed
from .rows import Piece
from .sources.formats import FORMATS, columns_of
from .spec import Prepare, Source, check_columns

BLOCK: Final = 1 << 20
MOST_PIECES: Final = 2000
"""Files of a shard, however small they are."""

FORM: Final = 1
"""Of what the steps leave behind. Another one does nothing with the shards of earlier attempts."""


class Shard(msgspec.Struct, frozen=True):
    """What one rank reads at a time."""

    source: int
    """Its place in the spec."""

    pieces: list[Piece]


class Plan(msgspec.Struct, frozen=True):
    """All shards, in the order of their rows."""

    shards: list[Shard]
    digest: str
    """Of the spec's steps and sources and of the files' sizes and times."""


def planned(asked: Prepare) -> Plan:
    """The shards of all sources. Files longer than a shard are read once, to count their lines.

    Raises:
        SpecError: a file is missing, cannot be read, or lacks a column.
    """
    shards = [
        Shard(number, pieces)
        for number, source in enumerate(asked.sources)
        for pieces in _shards(source, asked, f"$.prepare.sources[{number}]")
    ]
    return Plan(shards, xxh3_128_hexdigest(msgspec.json.encode([FORM, asked, shards])))


def piece_of(file: Found, source: Source) -> Piece:
    """A whole file.

    Raises:
        SpecError: it is gone.
    """
    if file.path.startswith(MODULE):
        return Piece(file.name, file.path, file.format, 0, 0)
    try:
        state = os.stat(file.path)
    except OSError as error:
        raise SpecError(
            f"source {source.name}: {file.path} cannot be read: {error.strerror or error}"
        ) from error
    return Piece(file.name, file.path, file.format, state.st_size, state.st_mtime_ns)


def _shards(source: Source, asked: Prepare, where: str) -> Iterator[list[Piece]]:
    gathered: list[Piece] = []
    size = 0
    for piece in _pieces(source, asked.shard, where):
        length = (piece.size if piece.end < 0 else piece.end) - piece.begin
        if gathered and (size + length > asked.shard or len(gathered) == MOST_PIECES):
            yield gathered
            gathered, size = [], 0
        gathered.append(piece)
        size += length
    if gathered:
        yield gathered


def _pieces(source: Source, longest: int, where: str) -> Iterator[Piece]:
    for file in found_files(source, where):
        piece = piece_of(file, source)
        if not piece.path.startswith(MODULE) and piece.format not in ("text", "html", "mail"):
            known = columns_of(piece.path, piece.format, source)
            # Objects of one JSONL file may differ; a row without its text is kept aside.
            if known is not None and piece.format != "jsonl":
                check_columns(source, known, where, piece.path)
        cuts = piece.size > longest and not is_compressed(piece.path)
        if cuts and FORMATS[piece.format].by_lines:
            yield from _cut(piece, longest)
        else:
            yield piece


def _cut(piece: Piece, longest: int) -> Iterator[Piece]:
    """The file in parts of about that size, each with the number of its first line."""
    begin, line = 0, 1
    with open(piece.path, "rb") as file:
        at, lines = 0, 0
        while block := file.read(BLOCK):
            at += len(block)
            if at - begin < longest or b"\n" not in block:
                lines += block.count(b"\n")
                continue
            head = block[: block.rindex(b"\n") + 1]
            end = at - len(block) + len(head)
            yield msgspec.structs.replace(piece, begin=begin, end=end, line=line)
            line += lines + head.count(b"\n")
            begin, lines = end, 0
        if begin < at:
            yield msgspec.structs.replace(piece, begin=begin, end=at, line=line)
