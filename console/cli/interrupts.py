"""Ctrl+C and hangup while a job is followed, turned into what the person wants of the job."""

import asyncio
import contextlib
import os
import signal
import sys
from types import TracebackType
from typing import Final, Literal, Self

from .terminal import Terminal

Wish = Literal["stop", "detach", "hangup", "leave", "continue"]

QUESTION: Final = "[s]top the job, [d]etach, or [c]ontinue? "
ANSWERS: Final[dict[str, Wish]] = {"s": "stop", "d": "detach", "c": "continue"}
SIGNALS: Final = (signal.SIGINT, signal.SIGHUP)


class Interrupts:
    """Listens for as long as its `with` block lasts. One `wish` at a time is awaited."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._asks = sys.stdin.isatty() and sys.stderr.isatty()
        self._heard: asyncio.Queue[int | str] = asyncio.Queue()
        self._stopping = False
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> Self:
        for number in SIGNALS:
            self._loop.add_signal_handler(number, self._heard.put_nowait, int(number))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number in SIGNALS:
            self._loop.remove_signal_handler(number)

    async def wish(self) -> Wish:
        """What is wanted, once something is. Ctrl+C after "stop" means to leave at once."""
        if await self._heard.get() == signal.SIGHUP:
            return "hangup"
        if self._stopping:
            return "leave"
        wish = await self._answer() if self._asks else "stop"
        self._stopping = wish == "stop"
        return wish

    async def _answer(self) -> Wish:
        self._terminal.ask(f"\n{QUESTION}")
        self._loop.add_reader(sys.stdin.fileno(), self._read)
        try:
            while True:
                heard = await self._heard.get()
                if heard == signal.SIGHUP:
                    return "hangup"
                if heard == signal.SIGINT:
                    self._terminal.ask("\n")
                    return "stop"
                if heard == "":
                    return "detach"  # nobody can answer any more
                answer = ANSWERS.get(str(heard).strip().lower()[:1])
                if answer is not None:
                    return answer
                self._terminal.ask(QUESTION)
        finally:
            self._loop.remove_reader(sys.stdin.fileno())
            self._terminal.answered()

    def _read(self) -> None:
        line = b""
        with contextlib.suppress(OSError):
            line = os.read(sys.stdin.fileno(), 1024)
        self._heard.put_nowait(line.decode(errors="replace"))
