"""The pulse of an agent: samples at the rate of the most eager reader, beats, facts, detail."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import pytest

from llmos.agents.node import pulse as pulses
from llmos.agents.node.pulse import Pulse
from llmos.agents.node.streams import Stream, Streams
from llmos.agents.protocol.facts import Collector, Detail, GpuFacts, Interest, NodeFacts
from llmos.agents.protocol.frames import Frame, Kind
from llmos.agents.protocol.samples import unpack_sample
from llmos.agents.samplers.collection import Collection
from llmos.agents.samplers.sampler import Reading


class Counting:
    """A sampler that counts how often it was asked, with as many GPUs as it is told."""

    name = "counting"

    def __init__(self) -> None:
        self.samples = self.details = 0
        self.gpus = 0
        self.facts_told = 0
        self.hostname = "first"
        self.broken = False

    def sample(self, reading: Reading) -> None:
        if self.broken:
            raise RuntimeError("out of order")
        self.samples += 1
        reading.node["cpu"] = float("nan") if self.samples == 1 else 50
        reading.gpus = [{"index": index, "state": 0} for index in range(self.gpus)]

    def facts(self, facts: NodeFacts) -> None:
        self.facts_told += 1
        facts.hostname = self.hostname
        facts.gpus = [GpuFacts(index=index) for index in range(self.gpus)]

    def detail(self, detail: Detail) -> None:
        self.details += 1

    def collectors(self) -> list[Collector]:
        return [Collector(name=self.name)]

    def close(self) -> None:
        pass


class Beating:
    """A pulse that runs over that sampler."""

    def __init__(self) -> None:
        self.sampler = Counting()
        self.streams = Streams()
        self.pulse = Pulse(Collection([self.sampler]), self.streams, "node-1")


@pytest.fixture
async def beating() -> AsyncIterator[Beating]:
    running = Beating()
    task = asyncio.create_task(running.pulse.run())
    yield running
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def read(stream: Stream, enough: Callable[[list[Frame]], bool]) -> list[Frame]:
    frames: list[Frame] = []
    async with asyncio.timeout(20):
        while not enough(frames):
            frames += await stream.take()
    return frames


def kinds(frames: list[Frame], kind: Kind) -> list[Frame]:
    return [frame for frame in frames if frame.kind == kind]


async def test_samples_come_at_the_rate_of_the_most_eager_and_beats_at_their_own(beating: Beating):
    eager, slow = beating.streams.open(0.1), beating.streams.open(5.0)
    frames = await read(eager, lambda frames: len(kinds(frames, Kind.SAMPLE)) > 9)
    assert len(kinds(frames, Kind.BEAT)) < len(kinds(frames, Kind.SAMPLE))
    beats = await read(slow, lambda frames: len(kinds(frames, Kind.BEAT)) >= 2)
    assert len(kinds(beats, Kind.SAMPLE)) < 2 + len(kinds(beats, Kind.BEAT))


async def test_the_interval_follows_who_reads(beating: Beating):
    assert beating.pulse.interval == 1.0
    eager = beating.streams.open(0.2)
    lazy = beating.streams.open(5.0)
    assert beating.pulse.interval == 0.2
    beating.streams.close(eager)
    assert beating.pulse.interval == 1.0
    beating.streams.close(lazy)
    assert beating.pulse.interval == 1.0


async def test_what_cannot_be_measured_is_absent(beating: Beating):
    stream = beating.streams.open(0.1)
    await read(stream, lambda frames: len(kinds(frames, Kind.SAMPLE)) > 2)
    first, *later = [unpack_sample(f.payload)[0][0] for f in beating.streams.since(0)]
    assert (first["slot"], first["cpu"], first["load"]) == (0, None, None)
    assert later[0]["cpu"] == 50


async def test_detail_goes_to_who_shows_the_node_alone(beating: Beating):
    shows, other = beating.streams.open(0.1), beating.streams.open(0.1)
    shows.interest = Interest(nodes=["node-1"])
    other.interest = Interest(nodes=["node-2"])
    await read(shows, lambda frames: len(kinds(frames, Kind.DETAIL)) > 0)
    frames = await read(other, lambda frames: len(kinds(frames, Kind.SAMPLE)) > 3)
    assert kinds(frames, Kind.DETAIL) == []
    shows.interest = Interest()
    asked = beating.sampler.details
    await shows.take()
    await read(shows, lambda frames: len(kinds(frames, Kind.SAMPLE)) > 10)
    assert beating.sampler.details == asked


async def test_a_gpu_that_appears_is_told_at_once(beating: Beating):
    stream = beating.streams.open(0.1)
    await read(stream, lambda frames: len(kinds(frames, Kind.SAMPLE)) > 1)
    told = beating.sampler.facts_told
    beating.sampler.gpus = 2
    frames = await read(stream, lambda frames: len(kinds(frames, Kind.FACTS)) > 0)
    assert len(kinds(frames, Kind.FACTS)) == 1
    assert len(beating.pulse.facts.gpus) == 2
    assert beating.sampler.facts_told == told + 1


async def test_facts_are_sent_when_they_changed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pulses, "FACTS_SECONDS", 0.02)
    beating = Beating()
    stream = beating.streams.open(1.0)
    beating.pulse.publish_facts()
    beating.pulse.publish_facts()
    stream.put(Frame(Kind.BEAT))
    assert [frame.kind for frame in await stream.take()] == [Kind.BEAT]
    beating.sampler.hostname = "second"
    task = asyncio.create_task(beating.pulse.run())
    frames = await read(stream, lambda frames: len(kinds(frames, Kind.FACTS)) > 0)
    assert len(kinds(frames, Kind.FACTS)) == 1
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_broken_sampler_is_said_and_stops_nothing(beating: Beating):
    stream = beating.streams.open(0.1)
    await read(stream, lambda frames: len(kinds(frames, Kind.SAMPLE)) > 1)
    beating.sampler.broken = True
    await read(stream, lambda frames: len(kinds(frames, Kind.SAMPLE)) > 2)
    (collector,) = beating.pulse.read_facts().collectors
    assert (collector.state, collector.message) == ("failed", "sample: RuntimeError: out of order")
    assert beating.pulse.snapshot()["cpu"] is None


async def test_the_age_of_a_snapshot_knows_no_clock_that_people_set(
    beating: Beating, monkeypatch: pytest.MonkeyPatch
):
    beating.pulse.sample()
    monkeypatch.setattr(time, "time", lambda: 1e12)
    assert 0 <= beating.pulse.snapshot()["age"] < 60
