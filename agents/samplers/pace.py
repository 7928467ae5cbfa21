"""How often the threads of a sampler work, and when they stop."""

import threading


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
