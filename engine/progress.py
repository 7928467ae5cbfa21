"""What a rank says of its work: one JSON object a line, in a file that the agent follows.

    {"what": "metric", "t": 1700000000.0, "step": 12, "steps": 300, "loss": 3.2, …}
    {"what": "phase", "t": 1700000000.0, "phase": "tokenizing"}
    {"what": "result", "name": "held_out_perplexity", "value": 12.3}
    {"what": "artifact", "name": "model", "path": "/abs/path"}

Needs the standard library only, so that any script can use it. A key that was not measured is left
out; a measured value that is no number (NaN, infinity) is null. Without a task folder nothing is
written.
"""

import json
import math
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

Value = float | int | str | None

FIRST_RANK_PERIOD: Final = 1 / 20
"""Seconds between two metric lines of rank 0, whose curve people watch."""

OTHER_RANK_PERIOD: Final = 1.0
"""Seconds between two metric lines of any other rank."""


class Progress:
    """Writes one rank's lines. Metrics are thinned by time; everything else is written at once.

    The newest metric that was held back is written before the next other line and at the end, so
    that the curve's last point is never lost. A disk that is full costs lines, never the job.
    """

    def __init__(self, path: Path | None, rank: int = 0) -> None:
        self.period = OTHER_RANK_PERIOD if rank else FIRST_RANK_PERIOD
        self._file = None if path is None else _open(path)
        self._written = -math.inf
        self._held: dict[str, Value] | None = None

    def metric(self, step: int, steps: int | None = None, **values: Value) -> None:
        """Numbers of one step: `loss`, `tokens` of all ranks, `dt` in seconds, and so on."""
        line: dict[str, Value] = {"what": "metric", "t": time.time(), "step": step}
        if steps is not None:
            line["steps"] = steps
        self._held = {**line, **values}
        if time.monotonic() - self._written >= self.period:
            self._write_held()

    def phase(self, name: str) -> None:
        """What the rank does from now on, in a word or two."""
        self._say({"what": "phase", "t": time.time(), "phase": name})

    def result(self, name: str, value: Value) -> None:
        """Something that the job came to."""
        self._say({"what": "result", "name": name, "value": value})

    def artifact(self, name: str, path: Path) -> None:
        """Something that the job made, complete where it lies."""
        self._say({"what": "artifact", "name": name, "path": str(path.absolute())})

    def close(self) -> None:
        """Writes what was held back."""
        self._write_held()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _say(self, line: Mapping[str, Value]) -> None:
        self._write_held()
        self._write(line)

    def _write_held(self) -> None:
        if self._held is not None:
            self._write(self._held)
            self._held, self._written = None, time.monotonic()

    def _write(self, line: Mapping[str, Value]) -> None:
        if self._file is None:
            return
        text = json.dumps({key: _plain(value) for key, value in line.items()}) + "\n"
        try:
            os.write(self._file, text.encode())
        except OSError as error:
            print(f"progress is no longer written: {error.strerror}", file=sys.stderr)
            os.close(self._file)
            self._file = None


def own_progress() -> Progress:
    """This rank's, by the environment that it was started with."""
    folder, rank = os.environ.get("LLMOS_TASK"), int(os.environ.get("RANK", "0"))
    path = Path(folder, "progress", f"rank-{rank}.jsonl") if folder else None
    return Progress(path, rank)


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _plain(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value
