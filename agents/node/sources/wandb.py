"""W&B's run files, as an offline run leaves them: the history in them.

A file is a LevelDB log (https://github.com/google/leveldb/blob/main/doc/log_format.md) after a
header of seven bytes, with zlib's checksum in place of LevelDB's. Its records are protobuf messages
(wandb_internal.proto of the wandb package, checked against version 0.31): `Record` 2 is a
`HistoryRecord` of items {key 1, nested_key 2, value_json 16} (1) and a step {num 1} (2). W&B writes
blocks of 32 KiB, and what there is every 15 seconds: a curve lags behind by that much.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

from ..reports.progress import PLACES, VALUE_LIMIT, Metric, Value, short_text, whole
from .ownfile import read_at
from .points import CHUNK, finite, place
from .protobuf import BYTES, VARINT, Malformed, fields

MAGIC: Final = b":W&B\xe1\xbe\x00"
"""The first bytes of a file of version 0."""

BLOCK: Final = 2**15
RECORD_LIMIT: Final = 2**20
"""Bytes of a record; a longer one is passed over."""

STEP_NAMES: Final = ("train/global_step", "trainer/global_step", "global_step")
"""Figures by which trainers (transformers, Lightning) name their step; W&B's own `_step` counts
calls."""

# Fields by number and kind: of Record, HistoryRecord, HistoryItem and HistoryStep.
_HISTORY = (2, BYTES)
_ITEM, _CALL = (1, BYTES), (2, BYTES)
_KEY, _NESTED_KEY, _JSON = (1, BYTES), (2, BYTES), (16, BYTES)
_NUMBER = (1, VARINT)

_HEADER: Final = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_LONGEST_NUMBER: Final = 64

History = dict[str, float | None]


class RunFile:
    """Reads the history of a run file, on from where it stopped."""

    def __init__(self, path: str) -> None:
        self.bad = 0
        self._path = path
        self._offset = 0
        self._full = False
        self._foreign = False
        self._parts: list[bytes] | None = None
        """Of a record that goes on; None between records, and after a part that was no good."""

    @property
    def behind(self) -> bool:
        """Whether the last `read` stopped before the end of what is written."""
        return self._full

    def read(self) -> list[Metric]:
        """The figures of the next chunk, none at the end of what is written so far."""
        if self._foreign:
            return []
        before = self._offset
        data = read_at(self._path, before, CHUNK)
        if before == 0:
            data = self._without_magic(data)
        length = len(data)
        lines = [line for record in self._records(data) if (line := self._line(record))]
        self._full = length >= CHUNK - len(MAGIC) and self._offset > before
        return lines

    def _without_magic(self, data: bytes) -> bytes:
        if len(data) < len(MAGIC):
            return b""
        self._foreign = not data.startswith(MAGIC)
        self.bad += self._foreign
        self._offset = len(MAGIC)
        return b"" if self._foreign else data[len(MAGIC) :]

    def _records(self, data: bytes) -> Iterator[bytes]:
        """The whole records at the beginning of `data`; a part is kept for the rest to come."""
        at, start = 0, self._offset
        while True:
            left = BLOCK - (start + at) % BLOCK
            part = _part(data, at, left)
            if part is None and len(data) - at < left:
                return  # it is not all there yet
            if part is None:
                # Zeros fill a block up; anything else is damage, which its block contains.
                damaged = any(data[at : at + left])
                self.bad += damaged
                self._parts = None if damaged else self._parts
                at += left
            else:
                kind, content = part
                at += _HEADER.size + len(content)
                yield from self._joined(kind, content)
            self._offset = start + at

    def _joined(self, kind: int, content: bytes) -> Iterator[bytes]:
        if kind in (_FULL, _FIRST):
            self._parts = []
        if self._parts is None:
            return
        self._parts.append(content)
        if sum(map(len, self._parts)) > RECORD_LIMIT:
            self._parts = None
        elif kind in (_FULL, _LAST):
            yield b"".join(self._parts)
            self._parts = None

    def _line(self, record: bytes) -> Metric | None:
        try:
            return history(record)
        except Malformed:
            self.bad += 1
            return None


def _part(data: bytes, at: int, left: int) -> tuple[int, bytes] | None:
    """Kind and content of the sound part at `at`, None where there is none in the block's rest."""
    if min(left, len(data) - at) < _HEADER.size:
        return None
    checksum, size, kind = _HEADER.unpack_from(data, at)
    content = data[at + _HEADER.size : at + _HEADER.size + size]
    if not _FULL <= kind <= _LAST or len(content) < size or _HEADER.size + size > left:
        return None
    return (kind, content) if zlib.crc32(content, zlib.crc32(bytes([kind]))) == checksum else None


def history(record: bytes) -> Metric | None:
    """The figures of a `Record` of history; None for one of anything else. Raises Malformed."""
    for field in fields(record):
        if field.key == _HISTORY:
            return _line(*_items(field.data))
    return None


def _items(message: bytes) -> tuple[History, int | None]:
    """The numbers of a `HistoryRecord` by name, and W&B's own count of the calls."""
    figures: History = {}
    count: int | None = None
    for field in fields(message):
        if field.key == _ITEM:
            name, number = _item(field.data)
            if name and isinstance(number, float):
                figures[name] = finite(number)
        elif field.key == _CALL:
            # protobuf leaves a zero out.
            steps = (step.signed() for step in fields(field.data) if step.key == _NUMBER)
            count = next(steps, 0)
    return figures, count


def _item(message: bytes) -> tuple[str, float | None]:
    keys: list[str] = []
    number: float | None = None
    for field in fields(message):
        if field.key in (_KEY, _NESTED_KEY):
            keys.append(field.text())
        elif field.key == _JSON:
            number = _number(field.data)
    return ".".join(keys), number


def _line(figures: History, count: int | None) -> Metric | None:
    step, names = _step(figures, count)
    values: dict[str, Value] = {**place(step, figures.get("_timestamp"))}
    for name, number in figures.items():
        if not name.startswith("_") and name not in names and len(values) < VALUE_LIMIT:
            values[short_text(name)] = number
    return Metric(values) if values.keys() - PLACES else None


def _step(figures: History, count: int | None) -> tuple[int | None, Sequence[str]]:
    """The step of a line, and the names that say where it stands and are no figures."""
    for name in STEP_NAMES:
        if (said := figures.get(name)) is not None:
            return whole(said), (name, *PLACES)
    own = figures.get("_step")
    return (count if own is None else whole(own)), tuple(PLACES)


def _number(text: bytes) -> float | None:
    """A JSON number; None for any other JSON."""
    if len(text) > _LONGEST_NUMBER or text[:1] not in b"-0123456789NI" or not text:
        return None
    try:
        return float(text)
    except ValueError:
        return None
