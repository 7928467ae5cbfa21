"""Frames survive any cut of the byte stream, and nothing hostile comes through as a frame."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.agents.errors import FrameError
from llmos.agents.protocol.frames import HEADER, MAX_PAYLOAD, VERSION, Frame, FrameReader, Kind

frames = st.builds(
    Frame,
    kind=st.integers(0, 255),
    payload=st.binary(max_size=200),
    seq=st.integers(0, 2**64 - 1),
    wall=st.floats(allow_nan=False, allow_infinity=False),
    age_ms=st.integers(0, 2**32 - 1),
    stream=st.integers(0, 2**32 - 1),
    flags=st.integers(0, 2**16 - 1),
)


def header(length: int = 0, version: int = VERSION, wall: float = 0.0) -> bytes:
    return HEADER.pack(length, version, Kind.BEAT, 0, 0, 0, wall, 0)


@given(st.lists(frames, max_size=5), st.data())
def test_frames_come_out_as_they_went_in_however_the_bytes_are_cut(sent: list[Frame], data):
    stream = b"".join(frame.encode() for frame in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    reader = FrameReader()
    read: list[Frame] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        read += reader.feed(stream[start:end])
    reader.close()
    assert read == sent


def test_byte_by_byte():
    sent = [Frame(Kind.SAMPLE, b"payload", 7, 1.5, 20, 3, 1), Frame(Kind.BEAT)]
    reader = FrameReader()
    read = [
        frame for byte in b"".join(map(Frame.encode, sent)) for frame in reader.feed(bytes([byte]))
    ]
    assert read == sent


@given(frames, st.integers(1, 300))
def test_a_stream_that_ends_inside_a_frame_is_told_from_one_that_ends_after_it(
    frame: Frame, missing: int
):
    encoded = frame.encode()
    whole, cut = FrameReader(), FrameReader()
    whole.feed(encoded)
    whole.close()
    kept = encoded[: max(len(encoded) - missing, 1)]
    assert cut.feed(kept) == []
    with pytest.raises(FrameError, match=f"{len(kept)} bytes into it"):
        cut.close()


@pytest.mark.parametrize(
    ("bytes_", "says"),
    [
        (header(version=VERSION + 1), "version 2, this llmos reads version 1"),
        (header(length=MAX_PAYLOAD + 1), "the limit is"),
        (header(length=2**32 - 1), "the limit is"),
        (header(wall=math.nan), "time is nan"),
        (header(wall=math.inf), "time is inf"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n", "version"),
    ],
)
def test_what_is_no_frame_of_ours_is_one_line(bytes_: bytes, says: str):
    with pytest.raises(FrameError, match=says) as raised:
        FrameReader().feed(bytes_)
    assert "\n" not in str(raised.value)


@given(st.lists(st.binary(max_size=400), max_size=10))
def test_random_bytes_raise_nothing_but_frame_errors(pieces: list[bytes]):
    reader = FrameReader(max_payload=1000)
    for piece in pieces:
        try:
            reader.feed(piece)
        except FrameError:
            return


def test_no_more_is_kept_than_one_frame_and_what_came_last():
    reader = FrameReader(max_payload=1000)
    reader.feed(header(length=1000))
    for _ in range(99):
        assert reader.feed(bytes(10)) == []
    piece = bytes(10) + header(length=1000) + bytes(500)
    assert len(reader.feed(piece)) == 1
    assert len(reader._buffer) == HEADER.size + 500


def test_a_stream_stays_refused_after_a_bad_frame():
    reader = FrameReader()
    for _ in range(3):
        with pytest.raises(FrameError):
            reader.feed(header(version=9))
