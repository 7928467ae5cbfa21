"""Frames: how bytes on a stream are cut into pieces.

A frame is a fixed header and a payload. The header says how long the payload is, so a reader can
pass over a kind it does not know; a relay can forward a payload without decoding it.
"""

from enum import IntEnum
from math import isfinite
from struct import Struct
from typing import Final

import msgspec

from ..errors import FrameError

VERSION: Final = 1
HEADER: Final = Struct("<IBBHIQdI")
"""length u32, version u8, kind u8, flags u16, stream u32, seq u64, wall f64, age_ms u32."""

MAX_PAYLOAD: Final = 16 * 2**20
"""Longer than any frame of ours: a sample of 60,000 nodes of 8 GPUs is 14 MiB."""


class Kind(IntEnum):
    """What a frame's payload is."""

    HELLO = 1
    """Who speaks, and the fields of its samples (msgpack, `facts.Hello`). First on every stream."""

    SAMPLE = 2
    """Node records and GPU records (`samples`)."""

    FACTS = 3
    """What changes rarely (msgpack, `facts.Facts`)."""

    EVENT = 4
    """What happened (msgpack, `events.Event`)."""

    METRIC = 5
    """A line that a job's rank wrote (msgpack, `jobs.Metric`)."""

    LOG = 6
    """What a rank printed (msgpack, `jobs.LogPiece`)."""

    BEAT = 7
    """A sign of life, without payload, twice a second whatever the sample rate."""

    GAP = 8
    """Frames that can no longer be given (msgpack, `facts.Gap`)."""

    DETAIL = 9
    """Cores, disks, links and processes of one node, for who shows it (msgpack, `facts.Detail`)."""


class Frame(msgspec.Struct, frozen=True):
    """One frame as read or to be written."""

    kind: int
    """A `Kind`; an int, since a newer sender may send kinds that this reader passes over."""

    payload: bytes = b""
    seq: int = 0
    """Counts the frames that a sender rings for back-fill; 0 for those it does not."""

    wall: float = 0.0
    """The sender's clock when it measured: seconds since 1970."""

    age_ms: int = 0
    """How old the payload was when it was written: grows by what each relay adds."""

    stream: int = 0
    """Which of the streams sharing a link; 0 where there is one."""

    flags: int = 0
    """None in this version."""

    def encode(self) -> bytes:
        """The frame as bytes."""
        header = HEADER.pack(
            len(self.payload),
            VERSION,
            self.kind,
            self.flags,
            self.stream,
            self.seq,
            self.wall,
            self.age_ms,
        )
        return header + self.payload


class FrameReader:
    """Cuts a stream of bytes into frames, however the bytes arrive."""

    def __init__(self, max_payload: int = MAX_PAYLOAD) -> None:
        self._buffer = bytearray()
        self._max_payload = max_payload

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes.

        Raises FrameError for another version, an impossible length or time; the stream is then of
        no more use, since nothing says where the next frame starts.
        """
        self._buffer += data
        frames = []
        start = 0
        while len(self._buffer) - start >= HEADER.size:
            length, version, kind, flags, stream, seq, wall, age_ms = HEADER.unpack_from(
                self._buffer, start
            )
            self._check(length, version, wall)
            end = start + HEADER.size + length
            if end > len(self._buffer):
                break
            payload = bytes(self._buffer[start + HEADER.size : end])
            frames.append(Frame(kind, payload, seq, wall, age_ms, stream, flags))
            start = end
        del self._buffer[:start]
        return frames

    def close(self) -> None:
        """The stream has ended. Raises FrameError if it ended inside a frame."""
        if self._buffer:
            raise FrameError(f"the stream ended inside a frame, {len(self._buffer)} bytes into it")

    def _check(self, length: int, version: int, wall: float) -> None:
        if version != VERSION:
            raise FrameError(f"a frame of version {version}, this llmos reads version {VERSION}")
        if length > self._max_payload:
            raise FrameError(f"a frame of {length} bytes, the limit is {self._max_payload}")
        if not isfinite(wall):
            raise FrameError(f"a frame whose time is {wall}")
