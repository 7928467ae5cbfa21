"""What happened: stored on the node, pushed at once."""

from typing import Literal

import msgspec

Severity = Literal["info", "warning", "error"]


class Event(msgspec.Struct, kw_only=True):
    """One thing that happened."""

    time: float
    """Seconds since 1970, by the clock of the node."""

    node: str
    source: str
    """What it happened to: "gpu 3", "job 12", "agent", "database"."""

    what: str
    """A word for machines: "xid", "gpu lost", "job failed"."""

    text: str
    """One line for people."""

    severity: Severity = "info"
    number: int | None = None
    """Of an XID."""

    job: str | None = None
