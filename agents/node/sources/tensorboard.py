"""TensorBoard's event files: the scalars in them.

A file is TFRecords (tensorflow/core/lib/io/record_writer.h), each an `Event`
(tensorflow/core/util/event.proto) whose summary (summary.proto) holds values by tag: a float, or a
tensor (tensor.proto) of one float. Everything else in them, pictures, histograms and graphs, is
passed over.
"""

import struct
from collections.abc import Iterator
from typing import Final

from ..reports.progress import Metric
from .crc32c import masked_crc32c
from .ownfile import read_at
from .points import CHUNK, Point, as_lines
from .protobuf import BYTES, FIXED32, FIXED64, VARINT, Malformed, fields

RECORD_LIMIT: Final = 2**16
"""Bytes of a record that is looked into; a longer one holds no scalar."""

TRIES: Final = 20
"""A header that does not fit its checksum may be half written, so often looked at; then the file is
damaged, and nothing says where the next record begins."""

# Fields by number and kind: of Event, Summary, Summary.Value and TensorProto.
_WALL_TIME, _STEP, _SUMMARY = (1, FIXED64), (2, VARINT), (5, BYTES)
_VALUE = (1, BYTES)
_TAG, _SIMPLE_VALUE, _TENSOR = (1, BYTES), (2, FIXED32), (8, BYTES)
_TYPE, _CONTENT = (1, VARINT), (4, BYTES)
_FLOAT_VALUES, _DOUBLE_VALUES = 5, 6
"""Each packed or not, so of either kind."""

_HEADER: Final = struct.Struct("<QI")
_FOOTER: Final = struct.Struct("<I")
_FLOATS: Final = {1: struct.Struct("<f"), 2: struct.Struct("<d")}
"""DT_FLOAT and DT_DOUBLE of types.proto: how a tensor's content holds them."""


class EventFile:
    """Reads the scalars of an event file, on from where it stopped."""

    def __init__(self, path: str) -> None:
        self.bad = 0
        self._path = path
        self._offset = 0
        self._full = False
        self._tries = 0

    @property
    def behind(self) -> bool:
        """Whether the last `read` stopped before the end of what is written."""
        return self._full

    def read(self) -> list[Metric]:
        """The figures of the next chunk, none at the end of what is written so far."""
        if self._tries >= TRIES:
            return []
        data = read_at(self._path, self._offset, CHUNK)
        before = self._offset
        lines = as_lines(point for record in self._records(data) for point in self._points(record))
        self._full = len(data) == CHUNK and self._offset > before
        return lines

    def _records(self, data: bytes) -> Iterator[tuple[bytes, int]]:
        """The whole records at the beginning of `data`, each with its checksum."""
        at = 0
        while len(data) - at >= _HEADER.size:
            size, checksum = _HEADER.unpack_from(data, at)
            if checksum != masked_crc32c(data[at : at + 8]):
                self._tries += 1
                self.bad += self._tries == TRIES
                return
            self._tries = 0
            end = at + _HEADER.size + size + _FOOTER.size
            if end > len(data) and size <= RECORD_LIMIT:
                return
            self._offset += end - at
            if size <= RECORD_LIMIT:
                record = data[at + _HEADER.size : end - _FOOTER.size]
                yield record, _FOOTER.unpack_from(data, end - _FOOTER.size)[0]
            at = end

    def _points(self, record: tuple[bytes, int]) -> list[Point]:
        event, checksum = record
        try:
            points = scalars(event)
        except Malformed:
            points = None
        # Most bytes are no scalars; only of those that are is the checksum worth its time.
        if points is None or (points and masked_crc32c(event) != checksum):
            self.bad += 1
            return []
        return points


def scalars(event: bytes) -> list[Point]:
    """The scalars of an `Event`. Raises Malformed."""
    time: float | None = None
    step = 0  # protobuf leaves a zero out
    found: list[tuple[str, float]] = []
    for field in fields(event):
        if field.key == _WALL_TIME:
            (time,) = field.doubles()
        elif field.key == _STEP:
            step = field.signed()
        elif field.key == _SUMMARY:
            found += _values(field.data)
    return [Point(tag, step, time, value) for tag, value in found]


def _values(summary: bytes) -> Iterator[tuple[str, float]]:
    for field in fields(summary):
        if field.key == _VALUE:
            tag, value = _value(field.data)
            if tag and value is not None:
                yield tag, value


def _value(message: bytes) -> tuple[str, float | None]:
    tag = ""
    value: float | None = None
    for field in fields(message):
        if field.key == _TAG:
            tag = field.text()
        elif field.key == _SIMPLE_VALUE:
            (value,) = field.floats()
        elif field.key == _TENSOR:
            value = _only_element(field.data)
    return tag, value


def _only_element(tensor: bytes) -> float | None:
    """The element of a tensor of one float; None for any other tensor."""
    kind, content = 0, b""
    elements: list[float] = []
    for field in fields(tensor):
        if field.key == _TYPE:
            kind = field.bits
        elif field.key == _CONTENT:
            content = field.data
        elif field.number == _FLOAT_VALUES:
            elements += field.floats()
        elif field.number == _DOUBLE_VALUES:
            elements += field.doubles()
    form = _FLOATS.get(kind)
    if form is None:
        return None
    if len(content) == form.size:
        elements += form.unpack(content)
    return elements[0] if len(elements) == 1 else None
