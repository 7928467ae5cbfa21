r"""Figures in what a rank prints, found by a regular expression of the user's.

    step (?P<step>\d+).* loss (?P<loss>\S+)

Each named group is a figure, `step` and `t` are its place. A number may be written as 3.2e-1, 1,024
or 12%. A line without a step belongs to the last step that was named.
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

from ..regularfile import open_regular
from ..reports.progress import LINE_LIMIT, PLACES, VALUE_LIMIT, Metric, short_text, whole
from .points import CHUNK, finite, place

LONGEST: Final = 500
"""Bytes of a line that are searched: a pattern's work may grow with a power of it."""

SLOW: Final = 0.2
"""Seconds; a pattern that takes so long for one line is given up, for nobody else gets a turn."""

_ESCAPE: Final = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]")
_NUMBER: Final = re.compile(r"[-+]?(?:nan|inf(?:inity)?|(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)")
_AROUND: Final = " \t,;:'\"()[]{}"
"""Signs beside a number that a generous pattern takes along."""

_THOUSANDS: Final = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?")
_REPEATS: Final = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)


def check(pattern: str) -> None:
    """Raises ValueError, in one line that says what to do, for a pattern that is of no use."""
    try:
        groups = re.compile(pattern).groupindex
        parsed = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"expected a regular expression, got {pattern!r}: {error}") from error
    if not groups.keys() - PLACES:
        raise ValueError(
            rf"expected a named group for each figure, as in loss=(?P<loss>\S+), got {pattern!r}"
        )
    if _may_take_for_ever(parsed, repeated=False):
        raise ValueError(
            "expected no repeat, choice or back reference inside a repeat, since a search for one "
            f"may take for ever, got {pattern!r}"
        )


class LogFigures:
    """Reads the figures in a log, on from where it stopped.

    `when` tells when the byte at an offset was printed; by default just now. Raises ValueError for
    a pattern that `check` refuses.
    """

    def __init__(
        self, path: Path, pattern: str, when: Callable[[int], float | None] | None = None
    ) -> None:
        check(pattern)
        self.bad = 0
        self._path = path
        self._pattern = re.compile(pattern)
        self._when = when or (lambda offset: time.time())
        self._offset = 0
        self._full = False
        self._step: int | None = None

    @property
    def behind(self) -> bool:
        """Whether the last `read` stopped before the end of what is written."""
        return self._full

    def read(self) -> list[Metric]:
        """The figures of the next chunk, none at the end of what is written so far."""
        lines = []
        for offset, raw in self._raw_lines():
            began = time.perf_counter()
            figures = self._figures(raw)
            if time.perf_counter() - began > SLOW:
                self.bad += 1
                self._pattern = re.compile("(?!)")
            if figures:
                lines.append(self._line(figures, offset))
        return lines

    def _raw_lines(self) -> Iterator[tuple[int, bytes]]:
        """The next lines and where they stand. A bar that is drawn again and again on one line
        ends each time with a carriage return."""
        start, data = _kept_at(self._path, self._offset)
        self._full = len(data) == CHUNK
        text = data.replace(b"\r", b"\n")
        if start > self._offset:  # of the first line only the end is kept
            cut = text.find(b"\n") + 1
            start, text = start + cut, text[cut:]
        end = text.rfind(b"\n") + 1
        if end == 0 and len(data) > LINE_LIMIT:
            end = len(data)
        self._offset = start + end
        offset = start
        for raw in text[:end].split(b"\n")[:-1]:
            if raw.strip():
                yield offset, raw[:LONGEST]
            offset += len(raw) + 1

    def _figures(self, raw: bytes) -> dict[str, float]:
        text = (_ESCAPE.sub(b"", raw) if b"\x1b" in raw else raw).decode("utf-8", "replace")
        figures: dict[str, float] = {}
        for match in self._pattern.finditer(text):
            for name, said in match.groupdict().items():
                if said is not None and (value := number(said)) is not None:
                    figures.setdefault(name, value)
        return figures

    def _line(self, figures: dict[str, float], offset: int) -> Metric:
        step = whole(figures.pop("step", None))
        self._step = self._step if step is None else step
        moment = figures.pop("t") if "t" in figures else self._when(offset)
        values = place(self._step, moment)
        for name, value in figures.items():
            if len(values) < VALUE_LIMIT:
                values[short_text(name)] = finite(value)
        return Metric(values)


def number(said: str) -> float | None:
    """The number that is written so, a percentage without its sign; None for anything else."""
    said = said.strip(_AROUND).removesuffix("%").rstrip().lower()
    if _THOUSANDS.fullmatch(said):
        said = said.replace(",", "")
    return float(said) if _NUMBER.fullmatch(said) else None


def _may_take_for_ever(parsed: Any, *, repeated: bool) -> bool:
    """Whether something of several lengths, or a choice, stands inside what is repeated: then a
    text can be divided among the rounds in exponentially many ways."""
    for code, argument in parsed:
        if code is codes.GROUPREF:
            return True
        if repeated and code is codes.BRANCH:
            return True
        if code in _REPEATS:
            least, most, inner = argument
            if (repeated and least != most) or _may_take_for_ever(
                inner, repeated=repeated or most > 1
            ):
                return True
        elif any(_may_take_for_ever(inner, repeated=repeated) for inner in _within(argument)):
            return True
    return False


def _within(argument: Any) -> Iterator[Any]:
    """The patterns within a group, a choice or an assertion."""
    for part in argument if isinstance(argument, (tuple, list)) else (argument,):
        if isinstance(part, parser.SubPattern):
            yield part
        elif isinstance(part, list):
            yield from (inner for inner in part if isinstance(inner, parser.SubPattern))


def _kept_at(path: Path, offset: int) -> tuple[int, bytes]:
    """The next chunk of a log whose head may be a hole, and where it stands."""
    try:
        with open_regular(path) as file:
            start = os.lseek(file.fileno(), offset, os.SEEK_DATA)
            return start, os.pread(file.fileno(), CHUNK, start)
    except OSError:
        return offset, b""
