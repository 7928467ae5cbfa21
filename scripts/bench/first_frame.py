"""From a program's start to its first frame.

A frame counts when a line with the figures of a GPU stands on the screen; a live one of llmos when
the heading says so and every GPU has its line. llmos is started in two ways: with the picture of an
earlier session and its agent running (which tells "last known" and "live"), and with no picture and
no agent, so that whatever it shows is live.
"""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING

from llmos.scripts.bench import options
from llmos.scripts.bench.emulator import Emulator
from llmos.scripts.bench.report import OURS, Report, progress
from llmos.scripts.bench.stage import Stage, stage

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator, Mapping

    from llmos.scripts.bench.programs import Program
    from llmos.scripts.bench.terminal import Terminal

    Conditions = Mapping[str, Callable[[list[str]], bool]]

LIVE = re.compile(r"\blive\b")
GROUP = "first frame"
GPUS = 8
SETTLE_SECONDS = 3.0
"""After the helpers answer: then they have samples to give."""


def main() -> None:
    """Time llmos and its peers from their start to their first frame, in turns."""
    parser = options.parser(main.__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=5.0, help="that a frame is waited for")
    given = parser.parse_args()
    ours, *others = options.measured(given)
    report = Report("First frame")
    with stage() as place:
        _warm(place, [ours, *others], given)
        for at in range(given.rounds):
            progress(f"round {at + 1} of {given.rounds}")
            _measure_ours(place, ours, given, report)
            for peer in others:
                with place.helpers(peer):
                    _settle(peer)
                    seen = _start(place, peer, given, {GROUP: _figures(peer)})
                report.add(peer.name, GROUP, "s", GROUP, seen[GROUP])
    report.notes.append(
        f"n rounds in turns, {given.size}, byte code compiled, files in the page cache. "
        "constella's manager and agent run beforehand."
    )
    report.show(given.json)


def _warm(place: Stage, programs: list[Program], given: Namespace) -> None:
    """Start each once: compiles byte code, and leaves llmos a picture of an earlier session."""
    for program in programs:
        with place.helpers(program):
            _start(place, program, given, {})


def _measure_ours(place: Stage, ours: Program, given: Namespace, report: Report) -> None:
    known, live = _figures(ours), _live(ours)
    with place.helpers(ours):
        _settle(ours)
        wanted = {"first frame, last known": known, "first frame, live": live}
        seen = _start(place, ours, given, wanted)
    with _nothing_known(place):
        seen |= _start(place, ours, given, {"first frame, agent must start": live})
        place.end_detached()
    for what, seconds in seen.items():
        report.add(OURS, what, "s", GROUP, seconds)


@contextlib.contextmanager
def _nothing_known(place: Stage) -> Iterator[None]:
    """Without what an earlier session left for the next one's first frame."""
    kept = [(path, path.read_bytes()) for path in place.state.glob("last-*")]
    for path, _ in kept:
        path.unlink()
    yield
    for path, content in kept:
        path.write_bytes(content)


def _start(
    place: Stage, program: Program, given: Namespace, wanted: Conditions
) -> dict[str, float | None]:
    columns, lines = options.size(given)
    terminal = place.terminal(program, columns, lines)
    terminal.read(given.seconds)
    terminal.close(program.quit)
    return _times(terminal, wanted)


def _times(terminal: Terminal, wanted: Conditions) -> dict[str, float | None]:
    """Seconds from the start until each condition first held; None if it never did."""
    emulator = Emulator(terminal.columns, terminal.lines)
    times: dict[str, float | None] = dict.fromkeys(wanted)
    for piece in terminal.pieces:
        waiting = [name for name, seconds in times.items() if seconds is None]
        if not waiting:
            break
        emulator.feed(piece.data)
        text = emulator.text
        times |= {name: piece.time - terminal.started for name in waiting if wanted[name](text)}
    for name in [name for name, seconds in times.items() if seconds is None]:
        progress(f"{name}: not within the time. The screen at its end:")
        progress("\n".join(emulator.text))
    return times


def _settle(program: Program) -> None:
    if program.helpers:
        time.sleep(SETTLE_SECONDS)


def _figures(program: Program, lines: int = 1) -> Callable[[list[str]], bool]:
    return lambda text: sum(bool(program.figures.search(line)) for line in text) >= lines


def _live(program: Program) -> Callable[[list[str]], bool]:
    figures = _figures(program, GPUS)
    return lambda text: bool(LIVE.search(text[0])) and figures(text)


if __name__ == "__main__":
    main()
