"""The last known picture: the frames that paint the screen before an agent has answered.

They are the protocol's own frames, read back through the same reader and store, with their age.
"""

import contextlib
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from ..agents.errors import LlmosError
from ..agents.fleet.store import Store
from ..agents.protocol.facts import Facts, NodeFacts
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
            self._hello = frame
        elif frame.kind == Kind.FACTS:
            facts = msgspec.msgpack.decode(frame.payload, type=Facts)
            if isinstance(facts, NodeFacts):
                self._facts[facts.node] = frame

    def save(self) -> None:
        """Write it, whole or not at all. A full disk costs the next start its first picture."""
        if self._hello is None or not self._samples:
            return
        frames = [self._hello, *self._facts.values(), *self._samples]
        temporary = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):
            temporary.write_bytes(b"".join(frame.encode() for frame in frames))
            temporary.replace(self._path)

    def load(self, store: Store) -> bool:
        """Paint the store with what was saved; False where nothing usable was."""
        try:
            frames = FrameReader().feed(self._path.read_bytes())
            for frame in frames:
                store.apply(frame)
        except (OSError, LlmosError):
            return False
        return store.sampled is not None
