"""How the connection to the agent is, as the heading shows it."""

from typing import Literal

import msgspec

State = Literal["starting", "live", "lost", "refused"]


class Link(msgspec.Struct, frozen=True):
    """The connection: its state and one line of why."""

    state: State = "starting"
    """starting (never yet live), live, lost (being mended), refused (a person must act)."""

    why: str = ""
    since: float = 0.0
    """Monotonic seconds."""
