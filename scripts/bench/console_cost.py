"""What it costs to look at eight GPUs at 1 Hz: processor, memory, bytes to the terminal.

Everything that runs for a screen is counted: llmos's console and agent, constella's manager, agent
and screen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmos.scripts.bench import options
from llmos.scripts.bench.processes import FOREIGN_LIMIT, Window, together
from llmos.scripts.bench.report import Report, progress
from llmos.scripts.bench.stage import Stage, stage

if TYPE_CHECKING:
    from argparse import Namespace

    from llmos.scripts.bench.programs import Program

KIB = 1000
"""Bytes in a KB, as the budget counts them."""


def main() -> None:
    """Measure the running cost of the console and its peers, in turns."""
    parser = options.parser(main.__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm-up", type=float, default=10.0, help="seconds")
    parser.add_argument("--seconds", type=float, default=60.0, help="of one window")
    given = parser.parse_args()
    report = Report("Console at 8 GPUs and 1 Hz")
    with stage() as place:
        for at in range(given.rounds):
            for program in options.measured(given):
                progress(f"round {at + 1} of {given.rounds}: {program.name}")
                _measure(place, program, given, report)
    report.notes.append(
        f"Windows of {given.seconds:g} s after {given.warm_up:g} s of warm-up, {given.size}; "
        "CPU is user + system in per cent of one core."
    )
    report.show(given.json)


def _measure(place: Stage, program: Program, given: Namespace, report: Report) -> None:
    columns, lines = options.size(given)
    with place.helpers(program) as helpers:
        terminal = place.terminal(program, columns, lines)
        terminal.read(given.warm_up)
        window = Window({"console": terminal.pid, **helpers})
        before = terminal.written
        if not terminal.read(given.seconds):
            raise SystemExit(f"{program.name} ended while it was measured")
        written = terminal.written - before
        costs = window.end()
        terminal.close(program.quit)
    speed = written / given.seconds / KIB
    report.add(program.name, "console to the terminal", "KB/s", "bytes", speed)
    for part, cost in costs.items():
        name = program.name
        report.add(name, f"{part} CPU", "%", f"{part} CPU", cost.cpu)
        report.add(name, f"{part} memory (RSS)", "MiB", f"{part} RSS", cost.rss)
        report.add(name, f"{part} memory (PSS)", "MiB", f"{part} PSS", cost.pss)
    if helpers:
        whole = together(costs.values())
        report.add(program.name, "all CPU", "%", "all CPU", whole.cpu)
        report.add(program.name, "all memory (PSS)", "MiB", "all PSS", whole.pss)
    if window.foreign > FOREIGN_LIMIT:
        report.notes.append(
            f"**Not alone**: while {program.name} was measured, others took "
            f"{window.foreign:.0f} % of the machine."
        )


if __name__ == "__main__":
    main()
