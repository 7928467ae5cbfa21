"""The agent's pulse: a beat twice a second, a sample once a second, facts when they change.

Beats keep their own time whatever the rate of the samples, so that silence means the same to every
reader.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from ..protocol.facts import Detail, NodeFacts
from ..protocol.frames import Kind
from ..protocol.samples import pack_sample
from ..protocol.snapshot import node_snapshot
from ..samplers.collection import Collection
from ..samplers.pace import next_multiple
from ..samplers.sampler import Reading
from .streams import Streams, of

BEAT_SECONDS: Final = 0.5
SAMPLE_SECONDS: Final = 1.0
DETAIL_SECONDS: Final = 1.0
FACTS_SECONDS: Final = 5.0
"""How often facts are compared with what was last sent."""

SLOT: Final = 0
"""An agent numbers itself 0; a parent gives its members the slots that follow."""


class Pulse:
    """Takes the samples of this node and sends them to its streams."""

    def __init__(
        self,
        collection: Collection,
        streams: Streams,
        node: str,
        refine: Callable[[NodeFacts], None] = lambda facts: None,
    ) -> None:
        self._collection = collection
        self._streams = streams
        self._node = node
        self._refine = refine
        self.reading = Reading()
        self._sampled = time.monotonic()
        self._detailed = 0.0
        self._now = False
        self.facts = self.read_facts()

    @property
    def interval(self) -> float:
        """Seconds between samples: what the most eager reader asked for, and at most one."""
        return min(self._streams.fastest or SAMPLE_SECONDS, SAMPLE_SECONDS)

    async def run(self) -> None:
        """Until cancelled. Beat, sample and facts fall due at multiples of their intervals."""
        beat = sample = facts = 0.0
        while True:
            now = time.monotonic()
            if now >= beat:
                self._streams.beat()
                beat = next_multiple(BEAT_SECONDS, now)
            if now >= sample or self._now:
                self._now = False
                self._collection.interval = self.interval
                self.sample()
                self._send_detail(self._sampled)
                sample = next_multiple(self.interval, now)
            if now >= facts:
                self.publish_facts()
                facts = next_multiple(FACTS_SECONDS, now)
            sample = min(sample, next_multiple(self.interval, now))
            await self._sleep_until(min(beat, sample) if len(self._streams) else sample)

    def read_facts(self) -> NodeFacts:
        """What this node is, now."""
        facts = self._collection.facts(SLOT, self._node)
        self._refine(facts)
        return facts

    def snapshot(self) -> dict[str, Any]:
        """This node as JSON, with the newest figures and their age."""
        age = time.monotonic() - self._sampled
        return node_snapshot(self.facts, self.reading.node, self.reading.gpus, age)

    def sample(self) -> None:
        """Take one sample and send it to those whose turn it is."""
        reading = self._collection.sample()
        reading.node["slot"] = SLOT
        for gpu in reading.gpus:
            gpu["slot"] = SLOT
        self.reading = reading
        self._sampled = time.monotonic()
        payload = pack_sample([reading.node], reading.gpus)
        self._streams.sample(payload, self._sampled, self.interval)
        if len(reading.gpus) != len(self.facts.gpus):
            self.publish_facts()

    def sample_now(self) -> None:
        """There is something new to see, as the GPUs when their driver is open: do not wait."""
        self.publish_facts()
        self._now = True
        self._streams.changed.set()

    def detail(self) -> Detail:
        """This node closely, now."""
        return self._collection.detail(SLOT)

    def publish_facts(self) -> None:
        """Send the facts to all readers if they differ from what was last sent."""
        facts = self.read_facts()
        if _lasting(facts) != _lasting(self.facts):
            self.facts = facts
            self._streams.facts(facts)

    async def _sleep_until(self, due: float) -> None:
        """Until then; or until a reader comes, or something new, which may be due sooner."""
        changed = self._streams.changed
        changed.clear()
        delay = max(due - time.monotonic(), 0)
        alarm = asyncio.get_running_loop().call_later(delay, changed.set)
        try:
            await changed.wait()
        finally:
            alarm.cancel()

    def _send_detail(self, now: float) -> None:
        """Detail costs more than the sample: only for who looks at this node, once a second."""
        wanting = [stream for stream in self._streams if self._node in stream.interest.nodes]
        if wanting and now - self._detailed > DETAIL_SECONDS - self.interval / 2:
            self._detailed = now
            frame = of(Kind.DETAIL, self.detail())
            for stream in wanting:
                stream.put(frame)


def _lasting(facts: NodeFacts) -> bytes:
    """The facts without how long each collector took, which differs each time."""
    collectors = [msgspec.structs.replace(each, seconds=None) for each in facts.collectors]
    return msgspec.msgpack.encode(msgspec.structs.replace(facts, collectors=collectors))
