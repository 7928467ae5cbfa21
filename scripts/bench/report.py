"""What was measured, as a markdown table and as JSON."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from llmos.scripts.bench.budget import BUDGETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

OURS = "llmos"


@dataclass
class Series:
    """One figure of one program, measured again and again; a round without an answer is None."""

    program: str
    what: str
    unit: str
    group: str
    """Series of one group are compared, round by round."""

    values: list[float | None] = field(default_factory=list)

    @property
    def known(self) -> list[float]:
        """The rounds with an answer."""
        return [value for value in self.values if value is not None]


@dataclass
class Report:
    """All that one script measured."""

    title: str
    gpus: str | None = "8 GPUs of the NVML stand-in"
    """Of the machine, for its line; None where GPUs play no part."""

    series: list[Series] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, program: str, what: str, unit: str, group: str, value: float | None) -> None:
        """Add one round's figure."""
        for series in self.series:
            if (series.program, series.what) == (program, what):
                series.values.append(value)
                return
        self.series.append(Series(program, what, unit, group, [value]))

    def show(self, json_path: Path | None = None) -> None:
        """Print the tables; write JSON where a path is given."""
        print(f"## {self.title}\n\n{_machine(self.gpus)}\n")
        _print_table(
            ("program", "what", "min", "median", "max", "n", "budget", ""),
            (_row(series) for series in self.series),
        )
        ratios = [
            row for series in self.series if series.program == OURS for row in self._of(series)
        ]
        if ratios:
            print()
            _print_table(("llmos ÷ peer, round by round", "peer", "min", "median", "max"), ratios)
        print()
        for note in self.notes:
            print(f"- {note}")
        if json_path is not None:
            json_path.write_text(json.dumps(self._as_json(), indent=1) + "\n")

    def _of(self, ours: Series) -> Iterable[tuple[str, ...]]:
        for series in self.series:
            if series.program == OURS or series.group != ours.group:
                continue
            pairs = zip(ours.values, series.values, strict=False)
            ratios = [a / b for a, b in pairs if a is not None and b]
            if ratios:
                figures = [f"{f(ratios):.3g}" for f in (min, median, max)]
                if len(ratios) == 1:
                    figures[0] = figures[2] = ""
                yield (ours.what, _named(series, ours), *figures)

    def _as_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "machine": _machine(self.gpus),
            "series": [asdict(series) for series in self.series],
            "budgets": {s.what: BUDGETS[s.what] for s in self.series if s.what in BUDGETS},
            "notes": self.notes,
        }


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def _named(series: Series, ours: Series) -> str:
    return series.program if series.what == ours.what else f"{series.program}, {series.what}"


def _row(series: Series) -> tuple[str, ...]:
    known, unit = series.known, series.unit
    budget = BUDGETS.get(series.what) if series.program == OURS else None
    if not known:
        return series.program, series.what, "", "no answer", "", f"0/{len(series.values)}", "", ""
    figures = [f"{value:.3g} {unit}" for value in (min(known), median(known), max(known))]
    if len(known) == 1:
        figures[0] = figures[2] = ""
    complete = len(known) == len(series.values)
    count = str(len(known)) if complete else f"{len(known)}/{len(series.values)}"
    if budget is None:
        return series.program, series.what, *figures, count, "", ""
    verdict = "met" if complete and median(known) <= budget else "**missed**"
    return series.program, series.what, *figures, count, f"≤ {budget:g} {unit}", verdict


def _print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def _machine(gpus: str | None) -> str:
    cpus = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in cpus if line.startswith("model name")), "")
    day = time.strftime("%Y-%m-%d")
    parts = [
        day,
        f"{os.cpu_count()} × {model}",
        f"Linux {platform.release()}",
        f"Python {platform.python_version()}",
    ]
    return ", ".join([*parts, gpus] if gpus else parts)


def progress(text: str) -> None:
    """Say on stderr what is being measured."""
    print(text, file=sys.stderr, flush=True)
