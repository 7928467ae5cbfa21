"""The streams that leave this agent: what was sent is ringed, what is not wanted is not sent.

A slow reader never holds up the agent or another reader: its own queue is bounded, and when it is
full the oldest frames are dropped. A GAP says which of the ringed ones; of the rest, facts must be
told again.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Iterator
from typing import Final

import msgspec

from ..protocol.facts import Gap, Interest
from ..protocol.frames import Frame, Kind
from ..samplers.pace import next_multiple
from .reports.aftermath import Sample

RING_FRAMES: Final = 600
"""Ten minutes at one sample a second."""

QUEUE_FRAMES: Final = 256
"""Frames that wait for one slow reader: four minutes of samples, or a burst of log lines."""

_encode = msgspec.msgpack.Encoder().encode


class Stream:
    """One reader's view: its rate, its interest, its queue."""

    def __init__(self, name: str, interval: float) -> None:
        self.name = name
        self.interval = interval
        self.interest = Interest()
        self.closed = False
        self.behind = False
        """Facts were dropped: the reader must be told the present ones."""

        self._due = 0.0
        self._queue: deque[Frame] = deque()
        self._dropped: Gap | None = None
        self._wake = asyncio.Event()

    def put(self, frame: Frame) -> None:
        """Queue a frame; where the reader is slow, drop the oldest and remember which.

        A beat behind other frames says nothing that they do not say.
        """
        if frame.kind == Kind.BEAT and self._queue:
            return
        if len(self._queue) >= QUEUE_FRAMES:
            self._drop(self._queue.popleft())
        self._queue.append(frame)
        self._wake.set()

    def due(self, now: float, tolerance: float) -> bool:
        """Whether this reader wants the sample taken at `now`; if so, the next is scheduled."""
        if now + tolerance < self._due:
            return False
        self._due = next_multiple(self.interval, max(now, self._due))
        return True

    async def take(self) -> list[Frame]:
        """What waits, when something does; empty when the stream was closed."""
        while not self._queue and not self.closed:
            self._wake.clear()
            await self._wake.wait()
        frames = list(self._queue)
        self._queue.clear()
        if self._dropped is not None:
            gap, self._dropped = self._dropped, None
            frames.insert(0, Frame(Kind.GAP, _encode(gap), wall=time.time()))
        return frames

    def close(self) -> None:
        """Let the reader's task end."""
        self.closed = True
        self._wake.set()

    def _drop(self, frame: Frame) -> None:
        self.behind |= frame.kind == Kind.FACTS
        if not frame.seq:
            return
        if self._dropped is None:
            self._dropped = Gap(first=frame.seq, last=frame.seq)
        else:
            self._dropped.last = frame.seq


class Streams:
    """All readers of this agent, and the ring from which a returning reader is filled up."""

    def __init__(self) -> None:
        self._streams: dict[str, Stream] = {}
        self._ring: deque[Frame] = deque(maxlen=RING_FRAMES)
        self._seq = 0
        self.changed = asyncio.Event()
        """Set when a reader comes."""

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[Stream]:
        return iter(tuple(self._streams.values()))

    def open(self, interval: float) -> Stream:
        """A new reader. Its name is a secret between it and the agent."""
        stream = Stream(secrets.token_hex(8), interval)
        self._streams[stream.name] = stream
        self.changed.set()
        return stream

    def close(self, stream: Stream) -> None:
        """A reader has gone."""
        stream.close()
        self._streams.pop(stream.name, None)

    def close_all(self) -> None:
        """The agent ends."""
        for stream in self:
            self.close(stream)

    def get(self, name: str) -> Stream | None:
        """The reader of that name, while it is connected."""
        return self._streams.get(name)

    @property
    def fastest(self) -> float | None:
        """The shortest interval that a reader asked for; None without readers."""
        return min((stream.interval for stream in self), default=None)

    def sample(self, payload: bytes, now: float, interval: float) -> None:
        """Ring one sample taken at the monotonic time `now`; send it to those whose turn it is."""
        frame = self._ringed(Kind.SAMPLE, payload)
        for stream in self:
            if stream.due(now, interval / 2):
                stream.put(frame)

    def event(self, event: object) -> None:
        """Ring an event and send it to all at once."""
        self.put_all(self._ringed(Kind.EVENT, _encode(event)))

    def facts(self, facts: object) -> None:
        """Send facts to all; who connects later is told the present ones."""
        self.put_all(Frame(Kind.FACTS, _encode(facts), wall=time.time()))

    def beat(self) -> None:
        """Send a sign of life."""
        self.put_all(Frame(Kind.BEAT, wall=time.time()))

    def put_all(self, frame: Frame) -> None:
        """Send a frame to every reader."""
        for stream in self:
            stream.put(frame)

    def since(self, seq: int) -> list[Frame]:
        """What came after frame `seq`, behind a GAP for what is no longer ringed."""
        kept = [frame for frame in self._ring if frame.seq > seq]
        first = kept[0].seq if kept else self._seq + 1
        if seq + 1 < first and seq:
            gap = Gap(first=seq + 1, last=first - 1)
            kept.insert(0, Frame(Kind.GAP, _encode(gap), wall=time.time()))
        return kept

    def samples(self) -> list[Sample]:
        """The ringed samples, oldest first: when each was sent, and its payload."""
        return [(frame.wall, frame.payload) for frame in self._ring if frame.kind == Kind.SAMPLE]

    def _ringed(self, kind: Kind, payload: bytes) -> Frame:
        self._seq += 1
        frame = Frame(kind, payload, seq=self._seq, wall=time.time())
        self._ring.append(frame)
        return frame


def of(kind: Kind, content: object) -> Frame:
    """A frame around a struct."""
    return Frame(kind, _encode(content), wall=time.time())
