"""CRC-32C (Castagnoli), the checksum of TFRecord files, which the standard library lacks."""

from typing import Final

_POLYNOMIAL: Final = 0x82F63B78
"""Of RFC 3720, appendix B.4, reflected."""

_MASK: Final = 0xA282EAD8
"""tensorflow/core/lib/hash/crc32c.h, kMaskDelta."""


def _row(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE: Final = tuple(map(_row, range(256)))


def crc32c(data: bytes) -> int:
    """The checksum, 32 bits. A step for each byte: for small records, not for whole files."""
    crc = 0xFFFFFFFF
    table = _TABLE
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def masked_crc32c(data: bytes) -> int:
    """The checksum as TFRecord files store it: turned, and moved by a constant."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF
