"""The threads on which GPUs are asked: those that answer quickly share one, the others have each
their own.

A wake-up of a thread costs more than a quick round, so GPUs share where they can. One that is slow,
or hangs in the driver, leaves the others at full rate. The threads are daemons: a call that never
returns does not hold up the exit of the program.
"""

import threading
from collections.abc import Iterable
from time import monotonic
from typing import Final

from .gpu import Gpu
from .pace import Pace

LONGEST_PAUSE: Final = 2.0
"""Seconds: a lost GPU is shown within 3 s, also when samples are further apart."""

AHEAD: Final = 0.01
"""Seconds before the sample, so that its figures are fresh."""

APART: Final = 0.002
"""Seconds between the rounds of two GPUs with threads of their own: no two want the interpreter at
once."""

QUICK: Final = 0.02
"""Seconds of a round; a GPU that needs more does not share."""

PATIENCE: Final = 0.25
"""Seconds that others wait behind a GPU before another thread asks them."""


class Rounds:
    """Asks each GPU once in every interval of the pace."""

    def __init__(self, gpus: Iterable[Gpu], pace: Pace) -> None:
        """Ask at once, each GPU on a thread of its own until it has shown to be quick."""
        self._pace = pace
        self._lock = threading.Lock()
        self._together: list[Gpu] = []
        self._asked: tuple[Gpu, float] | None = None
        for gpu in gpus:
            self._start_alone(gpu)

    def relieve(self) -> None:
        """Look whether GPUs wait behind one that does not answer; if so, it keeps its thread."""
        with self._lock:
            if self._asked is None or monotonic() - self._asked[1] < PATIENCE:
                return
            stuck, self._asked = self._asked[0], None
            self._start_together([gpu for gpu in self._together if gpu is not stuck])

    def _start_alone(self, gpu: Gpu) -> None:
        name = f"gpu-{gpu.index}"
        threading.Thread(target=self._run_alone, args=(gpu,), name=name, daemon=True).start()

    def _start_together(self, gpus: list[Gpu]) -> None:
        """With the lock held."""
        self._together = gpus
        threading.Thread(target=self._run_together, args=(gpus,), name="gpus", daemon=True).start()

    def _run_alone(self, gpu: Gpu) -> None:
        ahead = AHEAD + gpu.index * APART
        while True:
            gpu.ask()
            if gpu.usual_seconds < QUICK:
                self._join(gpu)
                return
            if self._pace.pause_until_round(LONGEST_PAUSE, ahead):
                return

    def _join(self, gpu: Gpu) -> None:
        with self._lock:
            if self._together:
                self._together.append(gpu)
            else:
                self._start_together([gpu])

    def _run_together(self, gpus: list[Gpu]) -> None:
        while not self._pace.pause_until_round(LONGEST_PAUSE, AHEAD):
            asked: Gpu | None = None
            for gpu in (*gpus, None):
                if not self._advance(gpus, asked, gpu):
                    if asked is not None:
                        self._run_alone(asked)
                    return
                asked = gpu
                if gpu is not None:
                    gpu.ask()

    def _advance(self, gpus: list[Gpu], asked: Gpu | None, following: Gpu | None) -> bool:
        """Go from one GPU to the next; False when this thread's other GPUs were taken from it."""
        with self._lock:
            if self._together is not gpus:
                return False
            self._asked = None if following is None else (following, monotonic())
            if asked is not None and asked.usual_seconds >= QUICK:
                gpus.remove(asked)
                self._start_alone(asked)
            return bool(gpus)
