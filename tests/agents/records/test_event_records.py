"""Events as they are stored."""

import contextlib
from pathlib import Path

from llmos.agents.protocol.events import Event
from llmos.agents.records import events
from llmos.agents.records.database import Database
from llmos.agents.records.events import EventRecords


def event(number: int) -> Event:
    return Event(time=float(number), node="n", source="gpu 3", what="xid", text="x", number=number)


def test_the_last_events_newest_last(tmp_path: Path):
    with contextlib.closing(Database.open(tmp_path)) as database:
        records = EventRecords(database)
        for number in range(5):
            records.add(event(number))
        assert records.last(2) == [event(3), event(4)]
        assert records.last(99) == [event(number) for number in range(5)]


def test_the_oldest_go_first(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(events, "KEPT", 10)
    monkeypatch.setattr(events, "_PRUNE_EVERY", 4)
    with contextlib.closing(Database.open(tmp_path)) as database:
        records = EventRecords(database)
        for number in range(40):
            records.add(event(number))
        assert [one.number for one in records.last(99)] == list(range(30, 40))
