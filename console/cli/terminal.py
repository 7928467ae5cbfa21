"""What a person sees who follows a job: what it prints on stdout, what is said of it on stderr.

On a terminal the job's progress is one line below all else, painted again and again.
"""

import contextlib
import sys
import time
from typing import Final

from .printing import cut

ERASE: Final = "\r\x1b[K"

PAUSE: Final = 10.0
"""Seconds between two lines of progress where there is no terminal."""


class Terminal:
    """Writes, and holds back what comes while a question is open."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._status = ""
        self._line_open = False
        self._held: list[str] | None = None
        self._said = 0.0

    def out(self, text: str) -> None:
        """What the job printed, as it stands."""
        if self._held is not None:
            self._held.append(text)
            return
        self._erase()
        sys.stdout.write(text)
        sys.stdout.flush()
        self._line_open = not text.endswith("\n")
        self._paint()

    def note(self, text: str) -> None:
        """One line about the job."""
        self._erase()
        self._error(f"{text}\n")
        self._paint()

    def progress(self, text: str) -> None:
        """How far the job is."""
        if self._live:
            if text != self._status:
                self._erase()
                self._status = text
                self._paint()
        elif text and time.monotonic() > self._said + PAUSE:
            self._said = time.monotonic()
            self._error(f"{text}\n")

    def ask(self, question: str) -> None:
        """Show a question, and hold back what the job prints until `answered`."""
        self._erase()
        self._held = self._held or []
        self._error(("\n" if self._line_open else "") + question)

    def answered(self) -> None:
        """Print what was held back."""
        held, self._held = self._held, None
        for text in held or []:
            self.out(text)
        self._paint()

    def close(self) -> None:
        """Leave a clean line behind."""
        self.answered()
        self._erase()
        self._status = ""
        if self._line_open:
            self.out("\n")

    def _erase(self) -> None:
        if self._live and self._status and not self._line_open:
            self._error(ERASE)

    def _paint(self) -> None:
        if self._live and self._status and not self._line_open and self._held is None:
            self._error(cut(self._status))

    def _error(self, text: str) -> None:
        # After a hangup there is no terminal left to write to.
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()
