"""Protobuf's wire format, as far as it takes to read two programs' files: no schema, no copies.

Source: https://protobuf.dev/programming-guides/encoding/. The bytes come from programs that nobody
checked: whatever they are, reading them ends, and ends with `Malformed` where they make no sense.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5

_LONGEST_VARINT: Final = 10
"""Bytes of a varint that holds 64 bits."""

_DOUBLE: Final = struct.Struct("<d")
_FLOAT: Final = struct.Struct("<f")


class Malformed(ValueError):
    """Bytes that are no message."""


class Field(NamedTuple):
    """One field of a message."""

    number: int
    kind: int
    """VARINT, FIXED64, BYTES or FIXED32."""

    bits: int
    """The value of a VARINT, without a sign; 0 for other kinds."""

    data: bytes
    """The bytes of other kinds; empty for a VARINT."""

    @property
    def key(self) -> tuple[int, int]:
        """By what a schema tells fields apart."""
        return self.number, self.kind

    def floats(self) -> list[float]:
        """The float values of a field that is one of them, or many packed."""
        return self._unpacked(FIXED32, _FLOAT)

    def doubles(self) -> list[float]:
        """The double values of a field that is one of them, or many packed."""
        return self._unpacked(FIXED64, _DOUBLE)

    def signed(self) -> int:
        """A VARINT as an int64."""
        return self.bits - 2**64 if self.bits >= 2**63 else self.bits

    def text(self) -> str:
        """A string field, with a mark in place of what is no UTF-8."""
        return self.data.decode("utf-8", "replace")

    def _unpacked(self, kind: int, form: struct.Struct) -> list[float]:
        if self.kind not in (kind, BYTES) or len(self.data) % form.size:
            raise Malformed(f"field {self.number} holds no numbers of {form.size} bytes")
        return [value for (value,) in form.iter_unpack(self.data)]


def fields(message: bytes) -> Iterator[Field]:
    """The fields of a message, in the order written. Raises Malformed."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            bits, at = _varint(message, at)
            yield Field(number, kind, bits, b"")
            continue
        if kind == BYTES:
            size, at = _varint(message, at)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise Malformed(f"no field is of kind {kind}")
        if size > end - at:
            raise Malformed("a field is longer than its message")
        yield Field(number, kind, 0, message[at : at + size])
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number that stands at `at`, and where the next thing stands."""
    if at < len(message) and (low := message[at]) < 0x80:
        return low, at + 1
    value = 0
    for index, byte in enumerate(message[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value & (2**64 - 1), at + index + 1
    raise Malformed("a number does not end")
