"""What a rank says of its work: one JSON object a line, in a file that the agent follows.

    {"what": "metric", "t": 1700000000.0, "step": 12, "steps": 300, "loss": 3.2, …}
    {"what": "phase", "t": 1700000000.0, "phase": "tokenizing"}
    {"what": "result", "name": "held_out_perplexity", "value": 12.3}
    {"what": "artifact", "name": "model", "path": "/abs/path"}

Needs the standard library only and works as a copy of this file, so that any script can use it. A
key that was not measured is left out; a measured value that is no number (NaN, infinity) is null. A
number of numpy or of torch is taken for what it is. Without a task folder nothing is written.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, List, Mapping, Optional, Union  # noqa: UP035 - python may be an old one

if TYPE_CHECKING:
    from ..agents.protocol.artifacts import ArtifactLine

Value = Union[float, int, str, None]  # noqa: UP007

FIRST_RANK_PERIOD: Final = 1 / 20
"""Seconds between two metric lines of rank 0, whose curve people watch."""

OTHER_RANK_PERIOD: Final = 1.0
"""Seconds between two metric lines of any other rank."""


class Progress:
    """Writes one rank's lines. Metrics are thinned by time; everything else is written at once.

    The newest metric that was held back is written before the next other line and at the end, so
    that the curve's last point is never lost; so is the newest that said something which those
    after it leave out, as a loss that is measured every tenth step. A disk that is full costs
    lines, never the job.
    """

    def __init__(self, path: Path | None, rank: int = 0) -> None:
        self.period = OTHER_RANK_PERIOD if rank else FIRST_RANK_PERIOD
        self._file = None if path is None else _open(path)
        self._written = -math.inf
        self._held: List[Mapping[str, Value]] = []  # noqa: UP006
        """Metrics held back: one, or one that says more and the newest."""

    @property
    def writes(self) -> bool:
        """Whether lines are written at all."""
        return self._file is not None

    def metric(self, step: int, steps: int | None = None, **values: Value) -> None:
        """Numbers of one step: `loss`, `tokens` of all ranks, `dt` in seconds, and so on."""
        line: dict[str, Value] = {"what": "metric", "t": time.time(), "step": step}
        if steps is not None:
            line["steps"] = steps
        line.update(values)
        if self._held and self._held[-1].keys() <= line.keys():
            self._held[-1] = line
        else:
            self._held = [*self._held[-1:], line]
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

    def register(self, line: ArtifactLine) -> None:
        """An artifact whose bytes are whole in a store. A metric that is no number is left out."""
        import msgspec

        said = msgspec.to_builtins(line, enc_hook=_plain)
        metrics = {name: _plain(value) for name, value in said["metrics"].items()}
        said["metrics"] = {name: value for name, value in metrics.items() if value is not None}
        self._write_held()
        self._write_text(json.dumps({"what": "artifact", **said}))

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
        if self._held:
            held, self._held, self._written = self._held, [], time.monotonic()
            for line in held:
                self._write(line)

    def _write(self, line: Mapping[str, Value]) -> None:
        if self._file is not None:
            self._write_text(json.dumps({key: _plain(value) for key, value in line.items()}))

    def _write_text(self, text: str) -> None:
        if self._file is None:
            return
        try:
            os.write(self._file, f"{text}\n".encode())
        except OSError as error:
            _complain(error)
            os.close(self._file)
            self._file = None


def own_progress() -> Progress:
    """This rank's, by the environment that it was started with."""
    folder = os.environ.get("LLMOS_TASK")
    if not folder:
        return Progress(None)
    rank = int(os.environ.get("RANK", "0"))
    return Progress(Path(folder, "progress", f"rank-{rank}.jsonl"), rank)


def _open(path: Path) -> Optional[int]:  # noqa: UP045
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        _complain(error)
        return None


def _complain(error: OSError) -> None:
    print(f"progress is no longer written: {error.strerror}", file=sys.stderr)


def _plain(value: object) -> Value:
    """As JSON can say it. What is no number and no text is None, too."""
    if value is None or isinstance(value, (str, int)):
        return value
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):
        return None
    return number if math.isfinite(number) else None
