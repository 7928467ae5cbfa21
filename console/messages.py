"""Every message that travels from the feed to the screens, on one page."""

from textual.message import Message

from ..agents.protocol.events import Event
from ..agents.protocol.jobs import LogPiece, Metric


class FleetUpdated(Message):
    """The store changed. A newer one swallows those still waiting: a slow terminal skips frames."""

    def can_replace(self, message: Message) -> bool:
        """Only the newest matters."""
        return isinstance(message, FleetUpdated)


class LinkChanged(Message):
    """The connection to the agent came, went or was mended (`app.link` says how it is)."""


class MetricsArrived(Message, bubble=False):
    """Ranks of a job that is shown wrote numbers. The app hands it down to the screen, and there it
    ends: it would bubble back to the app."""

    def __init__(self, metrics: list[Metric]) -> None:
        self.metrics = metrics
        super().__init__()


class LogArrived(Message, bubble=False):
    """Ranks of a job that is shown printed something. It ends at the screen, as the numbers do."""

    def __init__(self, pieces: list[LogPiece]) -> None:
        self.pieces = pieces
        super().__init__()


class EventHappened(Message):
    """Something happened on a node."""

    def __init__(self, event: Event) -> None:
        self.event = event
        super().__init__()
