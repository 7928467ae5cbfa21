"""The last known picture: the frames that paint the screen before an agent has answered.

They are the protocol's own frames, read back through the same reader and store, with their age.
"""

import contextlib
import os
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from ..agents.errors import LlmosError
from ..agents.fleet.store import Store
from ..agents.protocol.facts import Facts, Hello, NodeFacts
from ..agents.protocol.frames import Frame, FrameReader, Kind

SAMPLES: Final = 60
"""Enough for a sparkline of the last minute."""


class Picture:
    """Keeps what would paint the present again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hello: Frame | None = None
        self._facts: dict[str, Frame] = {}
        self._samples: deque[Frame] = deque(maxlen=SAMPLES)

    def keep(self, frame: Frame) -> None:
        """Remember a frame if it belongs to the picture. Jobs are asked for anew each time."""
        if frame.kind == Kind.SAMPLE:
            self._samples.append(frame)
        elif frame.kind == Kind.HELLO:
            self._greet(frame)
        elif frame.kind == Kind.FACTS:
            facts = msgspec.msgpack.decode(frame.payload, type=Facts)
            if isinstance(facts, NodeFacts):
                self._facts[facts.node] = frame

    def _greet(self, frame: Frame) -> None:
        """Samples of an agent whose records have other fields cannot be read after this one."""
        fields = _fields(frame)
        if self._hello is not None and fields != _fields(self._hello):
            self._samples.clear()
        self._hello = frame

    def save(self) -> None:
        """Write it, whole or not at all. A full disk costs the next start its first picture."""
        if self._hello is None or not self._samples:
            return
        frames = [self._hello, *self._facts.values(), *self._samples]
        temporary = self._path.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            temporary.write_bytes(b"".join(frame.encode() for frame in frames))
            temporary.replace(self._path)
            return
        with contextlib.suppress(OSError):
            temporary.unlink()

    def load(self, store: Store) -> bool:
        """Paint the store with what was saved; False where nothing usable was."""
        try:
            frames = FrameReader().feed(self._path.read_bytes())
            for frame in frames:
                store.apply(frame)
        except (OSError, LlmosError):
            return False
        return store.sampled is not None


def _fields(hello: Frame) -> object:
    told = msgspec.msgpack.decode(hello.payload, type=Hello)
    return told.node_fields, told.gpu_fields
