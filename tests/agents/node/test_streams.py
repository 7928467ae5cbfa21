"""Streams: bounded queues, gaps that are told, and back-fill from the ring."""

import asyncio

import msgspec
import pytest

from llmos.agents.node.streams import QUEUE_FRAMES, RING_FRAMES, Stream, Streams
from llmos.agents.protocol.facts import Gap
from llmos.agents.protocol.frames import Frame, Kind


def gap(frame: Frame) -> tuple[int, int]:
    assert frame.kind == Kind.GAP
    told = msgspec.msgpack.decode(frame.payload, type=Gap)
    return told.first, told.last


def seqs(frames: list[Frame]) -> list[int]:
    return [frame.seq for frame in frames]


async def test_frames_are_taken_in_order_and_once():
    stream = Streams().open(1.0)
    for number in (1, 2, 3):
        stream.put(Frame(Kind.SAMPLE, seq=number))
    assert seqs(await stream.take()) == [1, 2, 3]
    waiting = asyncio.create_task(stream.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    stream.put(Frame(Kind.SAMPLE, seq=4))
    assert seqs(await waiting) == [4]


async def test_a_slow_reader_is_told_what_it_missed_and_gets_the_newest():
    stream = Streams().open(1.0)
    for number in range(1, QUEUE_FRAMES + 11):
        stream.put(Frame(Kind.SAMPLE, seq=number))
    told, *frames = await stream.take()
    assert gap(told) == (1, 10)
    assert seqs(frames) == list(range(11, QUEUE_FRAMES + 11))
    assert not stream.behind
    stream.put(Frame(Kind.SAMPLE, seq=999))
    assert seqs(await stream.take()) == [999]


async def test_a_slow_reader_that_missed_facts_is_behind():
    stream = Streams().open(1.0)
    stream.put(Frame(Kind.FACTS))
    for _ in range(QUEUE_FRAMES):
        stream.put(Frame(Kind.LOG))
    assert stream.behind
    assert {frame.kind for frame in await stream.take()} == {Kind.LOG}


async def test_beats_do_not_pile_up_before_a_slow_reader():
    streams = Streams()
    stream = streams.open(1.0)
    stream.put(Frame(Kind.SAMPLE, seq=1))
    for _ in range(5 * QUEUE_FRAMES):
        streams.beat()
    assert [frame.kind for frame in await stream.take()] == [Kind.SAMPLE]
    streams.beat()
    assert [frame.kind for frame in await stream.take()] == [Kind.BEAT]


async def test_one_slow_reader_costs_another_nothing():
    streams = Streams()
    slow, quick = streams.open(1.0), streams.open(1.0)
    taken: list[int] = []
    for number in range(2 * QUEUE_FRAMES):
        streams.event(number)
        taken += seqs(await quick.take())
    assert taken == list(range(1, 2 * QUEUE_FRAMES + 1))
    assert gap((await slow.take())[0]) == (1, QUEUE_FRAMES)


async def test_a_closed_stream_gives_what_waits_and_then_ends():
    streams = Streams()
    stream = streams.open(1.0)
    stream.put(Frame(Kind.SAMPLE, seq=1))
    streams.close_all()
    assert (len(streams), streams.get(stream.name)) == (0, None)
    assert seqs(await stream.take()) == [1]
    assert await stream.take() == []


async def test_closing_wakes_who_waits():
    streams = Streams()
    stream = streams.open(1.0)
    waiting = asyncio.create_task(stream.take())
    await asyncio.sleep(0)
    streams.close(stream)
    assert await waiting == []
    streams.close(stream)


async def test_names_are_never_used_again_and_cannot_be_guessed():
    streams = Streams()
    names = {streams.open(1.0).name for _ in range(50)} | {Streams().open(1.0).name}
    assert len(names) == 51
    assert min(map(len, names)) >= 16


def filled(count: int) -> Streams:
    streams = Streams()
    for number in range(count):
        streams.sample(b"", float(number), 1.0)
    return streams


@pytest.mark.parametrize("seq", [0, 1, 6, 9, 10, 11, 10**15])
async def test_a_returning_reader_gets_what_came_since(seq: int):
    assert seqs(filled(10).since(seq)) == list(range(seq + 1, 11))


async def test_a_reader_that_was_away_too_long_is_told_so():
    told, *frames = filled(RING_FRAMES + 50).since(20)
    assert gap(told) == (21, 50)
    assert seqs(frames) == list(range(51, RING_FRAMES + 51))
    assert seqs(filled(RING_FRAMES + 50).since(50)) == list(range(51, RING_FRAMES + 51))


async def test_a_new_reader_is_not_told_of_what_was_before_its_time():
    assert seqs(filled(RING_FRAMES + 50).since(0)) == list(range(51, RING_FRAMES + 51))


async def test_the_ring_holds_samples_and_events_alone():
    streams = Streams()
    streams.sample(b"x", 0.0, 1.0)
    streams.event({"a": 1})
    streams.beat()
    streams.facts({"b": 2})
    assert [frame.kind for frame in streams.since(0)] == [Kind.SAMPLE, Kind.EVENT]


def taken_at(stream: Stream, interval: float, ticks: int) -> list[int]:
    times = [tick * interval for tick in range(ticks)]
    return [tick for tick, now in enumerate(times) if stream.due(now + 1000, interval / 2)]


async def test_each_reader_gets_its_own_rate():
    streams = Streams()
    slow, usual, quick = (streams.open(interval) for interval in (5.0, 1.0, 0.1))
    assert streams.fastest == 0.1
    assert taken_at(quick, 0.1, 20) == list(range(20))
    assert taken_at(usual, 0.1, 40) == [0, 10, 20, 30]
    assert taken_at(slow, 1.0, 16) == [0, 5, 10, 15]


async def test_a_rate_that_is_no_multiple_comes_out_on_average():
    assert len(taken_at(Streams().open(0.25), 0.1, 1000)) == pytest.approx(400, abs=2)


async def test_after_a_pause_a_reader_gets_one_sample_and_no_burst():
    stream = Streams().open(1.0)
    assert stream.due(100.0, 0.05)
    assert stream.due(5000.0, 0.05)
    assert not stream.due(5000.1, 0.05)
    assert not stream.due(5000.4, 0.05)
    assert stream.due(5001.0, 0.05)
