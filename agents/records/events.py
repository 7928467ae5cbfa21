"""What happened on this node, newest last."""

from typing import Final

import msgspec

from ..protocol.events import Event
from .database import Database

KEPT: Final = 10_000
"""Events that are kept; the oldest go first."""

_PRUNE_EVERY: Final = 256


class EventRecords:
    """The events of one agent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, event: Event) -> None:
        """Store an event. Raises RecordsError where it cannot be."""
        with self._database.write() as connection:
            added = connection.execute(
                "INSERT INTO events (time, event) VALUES (?, ?)",
                (event.time, msgspec.json.encode(event).decode()),
            )
            newest = added.lastrowid or 0
            if newest % _PRUNE_EVERY == 0:
                connection.execute("DELETE FROM events WHERE id <= ?", (newest - KEPT,))

    def last(self, count: int) -> list[Event]:
        """The last events, newest last."""
        rows = self._database.read("SELECT event FROM events ORDER BY id DESC LIMIT ?", count)
        return [msgspec.json.decode(row["event"], type=Event) for row in reversed(rows)]
