"""From a key to the paint that shows it, while the figures move.

Keys are typed at random distances, whether or not the last one was answered. Afterwards the whole
output is played to a terminal emulator, piece by piece: a key is answered by the first piece that
brings the cursor to the row, or the header to the order, that this key leads to. What else moves on
the screen answers no key. Where one paint answers several keys, each counts up to that paint.
"""

from __future__ import annotations

import random
import time
from collections import deque
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, NamedTuple

from llmos.scripts.bench import options
from llmos.scripts.bench.emulator import Emulator
from llmos.scripts.bench.report import OURS, Report, percentile, progress
from llmos.scripts.bench.stage import Stage, stage

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from llmos.scripts.bench.programs import Program
    from llmos.scripts.bench.terminal import Terminal

MOVING_PEERS = ("nvtop", "nvitop", "constella-gpu")
WARM_UP = 5.0
DISTANCE = (0.030, 0.120)
"""Seconds between two keys."""

END, HOME, SORT, UNSORT = b"\x1b[F", b"\x1b[H", b">", b"<"


class Seen(NamedTuple):
    """What keys change: the cursor's place among the rows, and the line above the rows."""

    place: int | None
    header: str


@dataclass
class Key:
    """One key, and what it leads to."""

    data: bytes
    place: int | None
    """The cursor's; None for a key that changes the order."""

    sorted: bool = False
    typed: float = 0.0
    answered: float | None = None

    def shown(self, seen: Seen, unsorted_header: str) -> bool:
        """Whether this is on the screen."""
        if self.place is None:
            return (seen.header != unsorted_header) == self.sorted
        return seen.place == self.place


class Rows:
    """The lines that the cursor can stand on."""

    def __init__(self, emulator: Emulator, program: Program) -> None:
        assert program.rows is not None
        text = emulator.text
        self.lines = [y for y, line in enumerate(text) if program.rows.search(line)]
        self._emulator = emulator
        if len(self.lines) < 3:
            raise SystemExit(f"{program.name} shows no rows:\n" + "\n".join(text))

    def seen(self) -> Seen:
        """The present."""
        marked = self._emulator.marked(self.lines)
        place = None if marked is None else self.lines.index(marked)
        return Seen(place, self._emulator.line(self.lines[0] - 1))


def main() -> None:
    """Time from key to paint, for llmos and its peers one after the other."""
    parser = options.parser(main.__doc__, others=MOVING_PEERS)
    parser.add_argument("--keys", type=int, default=520)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    report = Report("Key to paint under a live stream")
    with stage() as place:
        for program in options.measured(given):
            progress(program.name)
            with place.helpers(program):
                keys = _typed(place, program, given)
            _add(report, program, keys)
    report.notes.append(
        f"{given.keys} keys, {DISTANCE[0] * 1000:.0f} to {DISTANCE[1] * 1000:.0f} ms apart at "
        f"random, 8 GPUs at 1 Hz, {given.size}. From before the key is written to the terminal "
        "until the paint is read from it."
    )
    report.show(given.json)


def _typed(place: Stage, program: Program, given: Namespace) -> list[Key]:
    """Type all the keys; when each was typed and answered."""
    columns, lines = options.size(given)
    terminal = place.terminal(program, columns, lines)
    terminal.read(WARM_UP)
    for data in (program.prepare, *[program.down] * 2, *[program.up] * 8, program.down):
        if data:
            terminal.write(data)
            terminal.read(0.3)
    terminal.read(1.0)
    emulator = Emulator(columns, lines)
    for piece in terminal.pieces:
        emulator.feed(piece.data)
    begun = len(terminal.pieces)
    rows = Rows(emulator, program)
    start = rows.seen()
    if start.place is None:
        raise SystemExit(f"{program.name}: the cursor is not found")
    keys = list(islice(_walk(program, rows, start.place), given.keys))
    _type(terminal, keys, random.Random(given.seed))
    terminal.close(program.quit)
    _replay(terminal, begun, emulator, rows, keys)
    return keys


def _walk(program: Program, rows: Rows, start: int) -> Iterator[Key]:
    """Down and up again, for ever; llmos's cursor also jumps, and its order changes."""
    last, at = len(rows.lines) - 1, start
    between = cycle([_nothing, _jumps, _nothing, _orders] if program.name == OURS else [_nothing])
    while True:
        while at < last:
            at += 1
            yield Key(program.down, at)
        while at > 0:
            at -= 1
            yield Key(program.up, at)
        yield from next(between)(last)


def _nothing(_: int) -> list[Key]:
    return []


def _jumps(last: int) -> list[Key]:
    return [Key(END, last), Key(HOME, 0), Key(END, last), Key(HOME, 0)]


def _orders(_: int) -> list[Key]:
    return [Key(SORT, None, sorted=True), Key(UNSORT, None, sorted=False)]


def _type(terminal: Terminal, keys: list[Key], chance: random.Random) -> None:
    for key in keys:
        key.typed = terminal.write(key.data)
        until = key.typed + chance.uniform(*DISTANCE)
        terminal.read(until - time.monotonic())
    terminal.read(2.0)


def _replay(
    terminal: Terminal, begun: int, emulator: Emulator, rows: Rows, keys: list[Key]
) -> None:
    """Find the piece that answers each key."""
    coming, waiting = deque(keys), deque[Key]()
    before = rows.seen()
    header = before.header
    for piece in terminal.pieces[begun:]:
        emulator.feed(piece.data)
        while coming and coming[0].typed < piece.time:
            waiting.append(coming.popleft())
        seen = rows.seen()
        if seen == before:
            continue
        before = seen
        answered = [at for at, key in enumerate(waiting) if key.shown(seen, header)]
        for _ in range(answered[0] + 1 if answered else 0):
            waiting.popleft().answered = piece.time


def _add(report: Report, program: Program, keys: list[Key]) -> None:
    times = [1000 * (key.answered - key.typed) for key in keys if key.answered is not None]
    if not times:
        report.notes.append(f"{program.name} answered none of {len(keys)} keys.")
        return
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)):
        value = percentile(times, share)
        report.add(program.name, f"key to paint, {name}", "ms", name, value)
    together = len(times) - len({key.answered for key in keys if key.answered is not None})
    report.notes.append(
        f"{program.name}: {len(times)} of {len(keys)} keys answered, {together} together with the "
        "next one."
    )


if __name__ == "__main__":
    main()
