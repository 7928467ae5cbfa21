"""What ranks say of their work: lines of JSON, read as they are appended.

The lines come from programs that nobody checked, so a line is believed only as far as it can be
passed on: a number, a short text. Everything else is skipped and counted.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from ...protocol.artifacts import ArtifactLine
from ...protocol.jobs import Progress
from ...records.artifacts import storable
from ..regularfile import open_regular

LINE_LIMIT: Final = 2**16
"""Bytes of a line; a longer one is skipped."""

VALUE_LIMIT: Final = 64
"""Values in one line of metrics; further ones are left out."""

TEXT_LIMIT: Final = 512
"""Characters of a name or a text; what is longer is cut."""

CHUNK: Final = 2**20
"""Bytes that a tail takes at once."""

PLACES: Final = frozenset({"t", "step", "steps"})
"""Where a line of metrics stands, not what it says."""

Value = float | int | str | None
_VALUES: Final = (float, int, str, type(None))


class Metric(msgspec.Struct, frozen=True):
    """Numbers of one step. A value that is not finite (a loss of NaN) is None."""

    values: dict[str, Value]


class Result(msgspec.Struct, frozen=True):
    """A figure that the program reports at its end."""

    name: str
    value: Value


class Artifact(msgspec.Struct, frozen=True):
    """Something that the program made. What is to be registered is an ArtifactLine instead."""

    name: str
    path: str


class Phase(msgspec.Struct, frozen=True):
    """What the program does now."""

    phase: str


class Other(msgspec.Struct, frozen=True):
    """A line for somebody else, such as the one by which a rank says who it is."""


Line = Metric | Result | Artifact | ArtifactLine | Phase | Other


def parse(line: bytes) -> Line | None:
    """The meaning of a line, None for one that has none."""
    said = _decode(line)
    what = said.get("what") if isinstance(said, dict) else None
    if not isinstance(said, dict) or not isinstance(what, str):
        return None
    try:
        return _READERS.get(what, _other)(said)
    except (KeyError, ValueError, OverflowError):
        return None


def _decode(line: bytes) -> object:
    try:
        return msgspec.json.decode(line)
    except (ValueError, RecursionError):
        pass
    try:
        # Python's own writer says NaN and Infinity, which are no JSON.
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _metric(said: dict[str, Any]) -> Metric:
    values = {}
    for name, value in said.items():
        if name != "what" and isinstance(value, _VALUES):
            values[short_text(name)] = _value(value)
        if len(values) == VALUE_LIMIT:
            break
    return Metric(values)


def _result(said: dict[str, Any]) -> Result:
    return Result(short_text(said["name"]), _value(said["value"]))


def _artifact(said: dict[str, Any]) -> Artifact | ArtifactLine:
    if "digest" in said:
        return storable(msgspec.convert(said, ArtifactLine))
    return Artifact(short_text(said["name"]), short_text(said["path"], 4096))


def _phase(said: dict[str, Any]) -> Phase:
    return Phase(short_text(said["phase"]))


def _other(said: dict[str, Any]) -> Other:
    return Other()


_READERS: Final[dict[str, Callable[[dict[str, Any]], Line]]] = {
    "metric": _metric,
    "result": _result,
    "artifact": _artifact,
    "phase": _phase,
}


def short_text(value: object, limit: int = TEXT_LIMIT) -> str:
    """A text that every encoding of ours can carry. Raises ValueError for what is none."""
    if not isinstance(value, str):
        raise ValueError("not a text")
    if len(value) <= limit and value.isascii():
        return value
    return value[:limit].encode("utf-8", "replace").decode()


def _value(value: object) -> Value:
    """A value that every encoding of ours can carry."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str):
        return None if value is None else short_text(value)
    if not isinstance(value, int):
        raise ValueError("neither number nor text")
    return int(value) if abs(value) < 2**63 else float(value)


class Tail:
    """Reads the new complete lines of a growing file."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self.offset = offset
        """Of the first byte not yet read as part of a line."""

        self.bad = 0
        """Lines skipped since they had no meaning."""

        self._skipping = False
        self._full = False

    @classmethod
    def from_end(cls, path: Path) -> "Tail":
        """For what is written from now on."""
        try:
            return cls(path, path.lstat().st_size)
        except OSError:
            return cls(path)

    def read(self) -> list[Line]:
        """The lines of the next chunk, none at the end of what is written so far."""
        return self.parsed(self.raw())

    def parsed(self, raw_lines: Iterable[bytes]) -> list[Line]:
        """What lines mean; those without a meaning are counted."""
        lines = []
        for raw in raw_lines:
            line = parse(raw)
            if line is None:
                self.bad += 1
            else:
                lines.append(line)
        return lines

    @property
    def behind(self) -> bool:
        """Whether the last `read` stopped before the end of what is written."""
        return self._full

    def raw(self) -> Iterator[bytes]:
        """The lines of the next chunk as they are written."""
        try:
            with open_regular(self.path) as file:
                file.seek(self.offset)
                data = file.read(CHUNK)
        except OSError:
            self._full = False
            return
        self._full = len(data) == CHUNK
        end = data.rfind(b"\n") + 1
        if end == 0:
            self._pass_over(len(data))
            return
        self.offset += end
        whole = data[:end].split(b"\n")[:-1]
        if self._skipping:
            self._skipping = False
            whole = whole[1:]
        for raw in whole:
            if len(raw) > LINE_LIMIT:
                self.bad += 1
            elif raw.strip():
                yield raw

    def _pass_over(self, size: int) -> None:
        """Leave a line behind that is too long already, without waiting for its end."""
        if size > LINE_LIMIT:
            self.offset += size
            self.bad += not self._skipping
            self._skipping = True


def advance(progress: Progress, line: Line) -> None:
    """Bring `progress` up to what a line of rank 0 says."""
    if isinstance(line, Phase):
        progress.phase = line.phase
    if not isinstance(line, Metric):
        return
    values = line.values
    if (step := whole(values.get("step"))) is not None:
        progress.step = step
    if (steps := whole(values.get("steps"))) is not None:
        progress.steps = steps
    if "loss" in values:
        progress.loss = _number(values["loss"])
    if isinstance(phase := values.get("phase"), str):
        progress.phase = phase
    tokens, seconds = _number(values.get("tokens")), _number(values.get("dt"))
    if tokens is not None and seconds:
        progress.tokens_per_second = tokens / seconds


def advance_by_names(progress: Progress, line: Metric) -> None:
    """Bring `progress` up to figures under the names that programs commonly give them."""
    values = {_meaning(name): value for name, value in line.values.items()}
    if (step := whole(values.get("step"))) is not None:
        progress.step = step
    if (steps := whole(values.get("steps"))) is not None:
        progress.steps = steps
    if "loss" in values:
        progress.loss = _number(values["loss"])
    if (rate := _number(values.get("tokens_per_second"))) is not None:
        progress.tokens_per_second = rate


def names_loss(line: Metric) -> bool:
    """Whether one of the figures is the loss in training, under whatever name."""
    return any(_meaning(name) == "loss" for name in line.values)


def _meaning(name: str) -> str | None:
    return _MEANT.get(name.lower().translate(_SEPARATORS))


_SEPARATORS: Final = str.maketrans("_.- ", "////")

_NAMES: Final = {
    "loss": (
        "loss",
        *("train/loss", "loss/train", "training/loss", "loss/training", "train/loss/step"),
        *("train/batch/loss", "batch/loss", "loss/step", "step/loss", "lm/loss", "train/lm/loss"),
    ),
    "step": (
        "step",
        "global/step",
        "train/global/step",
        "trainer/global/step",
        "iter",
        "iteration",
    ),
    "steps": ("steps", "max/steps", "total/steps", "train/max/steps", "train/total/steps"),
    "tokens_per_second": (
        *("tokens/per/second", "tokens/per/sec", "tokens/s", "tok/s", "tps"),
        *("train/tokens/per/second", "train/tokens/per/sec", "train/train/tokens/per/second"),
        *("throughput/tokens/per/sec", "perf/tokens/per/second", "throughput/tps"),
    ),
}
"""What programs call a figure, in small letters with "/" for what separates words. Only names that
mean the training: a validation loss is not how far a job has come."""

_MEANT: Final = {name: meant for meant, names in _NAMES.items() for name in names}


def whole(value: Value) -> int | None:
    """A number without its fraction, None for what is none or is beyond 64 bits."""
    if isinstance(value, str) or value is None or not abs(value) < 2**63:
        return None
    return int(value)


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None
