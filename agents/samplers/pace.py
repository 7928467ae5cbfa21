"""How often the threads of a sampler work, and when they stop."""

import threading
from time import monotonic


def next_multiple(interval: float, after: float) -> float:
    """The next moment, in monotonic seconds, that is a whole multiple of the interval.

    Whatever keeps to such moments falls due together: each wake-up of a processor has its price.
    """
    return (after // interval + 1) * interval


class Pace:
    """Shared by the threads, changed at any time."""

    def __init__(self, interval: float) -> None:
        self.interval = interval
        """Seconds."""

        self._stopped = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether the threads should end."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Let the threads end when they next look; waits for none."""
        self._stopped.set()

    def pause(self, seconds: float) -> bool:
        """Sleep; True at once when it is time to end."""
        return self._stopped.wait(seconds)

    def pause_until_round(self, longest: float, ahead: float) -> bool:
        """Sleep until `ahead` seconds before a multiple of the interval, or of `longest` if less.

        True at once when it is time to end.
        """
        interval, now = min(self.interval, longest), monotonic()
        return self.pause(next_multiple(interval, now + ahead + interval / 4) - ahead - now)
