"""The stream for curl: each frame as one line of JSON with the same names."""

from typing import Any

import msgspec

from .frames import Frame, Kind
from .samples import unpack_sample


def frame_line(frame: Frame) -> bytes:
    """One line: what, seq and time, and the content under its own keys."""
    line: dict[str, Any] = {
        "what": Kind(frame.kind).name.lower(),
        "seq": frame.seq,
        "time": frame.wall,
    }
    if frame.kind == Kind.SAMPLE:
        line["nodes"], line["gpus"] = unpack_sample(frame.payload)
    elif frame.payload:
        line["content"] = msgspec.msgpack.decode(frame.payload)
    return msgspec.json.encode(line) + b"\n"
