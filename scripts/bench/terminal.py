"""A program on a pseudo-terminal: what it writes, and when each piece of it was read.

The terminal answers the queries that xterm answers, since some programs wait for one. It looks at
what it reads no closer than that: whoever measures looks afterwards (`emulator`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import shutil
import signal
import struct
import termios
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ANSWERS = (
    (re.compile(rb"\x1b\[0?c"), rb"\033[?64;1;2;6;9;15;16;17;18;21;22;28c"),
    (re.compile(rb"\x1b\[>0?c"), rb"\033[>41;379;0c"),
    (re.compile(rb"\x1b\[5n"), rb"\033[0n"),
    (re.compile(rb"\x1b\[6n"), rb"\033[1;1R"),
    (re.compile(rb"\x1b\[\?(\d+)\$p"), rb"\033[?\1;0$y"),
    (re.compile(rb"\x1b\]1([01]);\?(?:\x07|\x1b\\)"), rb"\033]1\1;rgb:0000/0000/0000\033\\"),
    (re.compile(rb"\x1b\[>0?q"), rb"\033P>|XTerm(379)\033\\"),
)
"""What a program asks, and what xterm 379 says (as templates, whose escapes are octal). It knows no
keyboard protocol: no answer."""

END_SECONDS = 3.0


class Piece(NamedTuple):
    """What one read brought."""

    time: float
    """Monotonic seconds, right after the read."""

    data: bytes


class Terminal:
    """One program on a terminal of its own, started at once."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        columns: int = 120,
        lines: int = 40,
    ) -> None:
        self.columns, self.lines = columns, lines
        self.pieces: list[Piece] = []
        self.ended = False
        self._tail = b""
        self._master, slave = os.openpty()
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, size)
        program = shutil.which(command[0], path=environment["PATH"])
        if program is None:
            raise SystemExit(f"{command[0]}: no such program")
        # Opened by the leader of a new session, the slave is its controlling terminal.
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.ttyname(slave), os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, 0, 1),
            (os.POSIX_SPAWN_DUP2, 0, 2),
        ]
        self.started = time.monotonic()
        self.pid = os.posix_spawn(
            program, list(command), environment, file_actions=actions, setsid=True
        )
        os.close(slave)

    def read(self, seconds: float, quiet: float | None = None) -> bool:
        """Read for so long; with `quiet`, no longer than until nothing came for that time.

        False once the program has ended.
        """
        until = time.monotonic() + seconds
        while not self.ended and (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select([self._master], [], [], min(left, quiet or left))
            if ready:
                self._take()
            elif quiet is not None:
                break
        return not self.ended

    def write(self, data: bytes) -> float:
        """Type; the monotonic time right before."""
        now = time.monotonic()
        os.write(self._master, data)
        return now

    @property
    def written(self) -> int:
        """Bytes that the program has written."""
        return sum(len(piece.data) for piece in self.pieces)

    def close(self, keys: bytes = b"") -> None:
        """Let the program end: by its own keys, else by a signal."""
        if keys and not self.ended:
            with contextlib.suppress(OSError):
                self.write(keys)
            self.read(END_SECONDS)
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._reaped():
                break
            os.kill(self.pid, number)
            self.read(END_SECONDS)
            time.sleep(0.05)
        else:
            self._reaped()
        os.close(self._master)

    def _take(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: the last descriptor of the slave was closed
            data = b""
        if not data:
            self.ended = True
            return
        self.pieces.append(Piece(time.monotonic(), data))
        self._answer(self._tail + data)

    def _answer(self, data: bytes) -> None:
        end = 0
        for question, answer in ANSWERS:
            for found in question.finditer(data):
                os.write(self._master, found.expand(answer))
                end = max(end, found.end())
        self._tail = data[end:][-16:] if b"\x1b" in data[end:][-16:] else b""

    def _reaped(self) -> bool:
        try:
            pid, _ = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return True
        return pid != 0
