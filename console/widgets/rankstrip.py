"""Ranks × time, coloured by step time: which rank is it that the others wait for?

A cell compares a rank's steps with the median of all ranks at that time, so that a slow phase that
all share stays calm and a straggler stands out, by its colour and by its height.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment

from ...agents.protocol.jobs import Curve
from .. import quantities as q
from .glyphs import Glyphs
from .lines import Line, Lines
from .pen import Pen, width_of

Figures = NDArray[np.float64]

FAST: Final = 0.8
SLOW: Final = 2.0
"""Of the median: what the lowest and the highest cell stand for."""

NOTABLE: Final = 1.3
"""Of the median, over the last seconds: from here on the title names the slowest rank."""

RECENT: Final = 20.0
"""Seconds by which the slowest rank is told, and at least three stretches: ranks but the first
tell of one step a second, and one is little."""

SHORTEST: Final = 1.0
"""Seconds that a column stands for at the least."""

WIDER: Final = 1.25
"""By this factor at a time a column comes to stand for more, so that stretches stand still while
the job goes on."""

GAP: Final = 8.0
"""A rank that said nothing for so many of its usual intervals was silent: the cells stay blank."""

LEVELS: Final = 8


class Steps(NamedTuple):
    """The step times of all ranks, in stretches of time."""

    ranks: list[int]
    seconds: Figures
    """Shape (ranks, stretches), the newest last; NaN where a rank said nothing."""

    stretch: float
    """Seconds of one column."""

    @property
    def relative(self) -> Figures:
        """Each over the median of all ranks at that time."""
        return self.seconds / _median(self.seconds, axis=0)


def gathered(curves: Sequence[Curve], columns: int) -> Steps | None:
    """Step times of ranks in at most `columns` stretches; None where there are none.

    Args:
        curves: One for each rank: when each step ended (seconds since 1970), how long it took (s).
        columns: How many stretches there is room for.
    """
    known = {curve.rank: points for curve in curves if len((points := _points(curve))[0])}
    if not known or columns < 1:
        return None
    newest = max(times[-1] for times, _ in known.values())
    oldest = min(times[0] for times, _ in known.values())
    stretch = _stretch((newest - oldest) / columns)
    last = int(newest // stretch)
    first = max(int(oldest // stretch), last - columns + 1)
    ends = np.arange(first + 1, last + 2, dtype=np.float64) * np.float64(stretch)
    ranks = sorted(known)
    return Steps(ranks, np.array([_cells(*known[rank], ends, stretch) for rank in ranks]), stretch)


def worst(relative: Figures, rows: int) -> Figures:
    """Rows of neighbouring ranks, each by the worst of them, where there are more than `rows`."""
    each = -(-len(relative) // max(rows, 1))
    padded = np.full((-(-len(relative) // each) * each, relative.shape[1]), -np.inf)
    padded[: len(relative)] = np.where(np.isnan(relative), -np.inf, relative)
    most = padded.reshape(-1, each, relative.shape[1]).max(axis=1)
    return np.where(np.isinf(most), np.nan, most)


class RankStrip(Lines):
    """A line for each rank, or for several by their worst; under a title that names the slowest."""

    DEFAULT_CSS = """
    RankStrip { padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._curves: Sequence[Curve] = ()
        self.most = 8
        """Lines for ranks; where there are more ranks, some share a line."""

    @property
    def known(self) -> bool:
        """Whether there are ranks to compare."""
        return len(self._curves) > 1

    def show(self, curves: Sequence[Curve]) -> None:
        """Show these step times."""
        self._curves = curves
        self.repaint()

    def draw(self, width: int) -> list[Line]:
        """The title, then the ranks."""
        pen = self.pen
        ranks = [curve.rank for curve in self._curves]
        gutter = len(_label(ranks[-2:])) + 1 if ranks else 0
        steps = gathered(self._curves, width - gutter)
        if steps is None:
            return [_title(None, width, pen), pen.text(NOTHING, width, pen.roles.dim)]
        rows = worst(steps.relative, self.most)
        each = -(-len(steps.ranks) // len(rows))
        lines = [_title(steps, width, pen)]
        for at, row in enumerate(rows):
            label = _label(steps.ranks[at * each : (at + 1) * each])
            name = pen.text(label, gutter, pen.roles.dim)
            blank = width - gutter - rows.shape[1]
            lines.append([*name, Segment(" " * blank, pen.roles.base), *_drawn(row, pen)])
        return lines


NOTHING: Final = "no rank has told of a step yet"


def _points(curve: Curve) -> tuple[Figures, Figures]:
    """Times and seconds, by time, without what is absent."""
    count = min(len(curve.times), len(curve.values))
    times = np.array(curve.times[:count], np.float64)
    seconds = np.array(curve.values[:count], np.float64)
    here = np.isfinite(times) & np.isfinite(seconds) & (seconds > 0)
    order = np.argsort(times[here], kind="stable")
    return times[here][order], seconds[here][order]


def _stretch(least: float) -> float:
    steps = math.ceil(math.log(max(least / SHORTEST, 1.0), WIDER))
    return SHORTEST * WIDER**steps


def _cells(times: Figures, seconds: Figures, ends: Figures, stretch: float) -> Figures:
    """The mean of the steps that ended in each stretch; else of the step that went on through it.

    Shapes (points,), (points,), (stretches,) → (stretches,).
    """
    after = np.searchsorted(times, ends)
    before = np.searchsorted(times, ends - stretch)
    total = np.concatenate([[0.0], np.cumsum(seconds)])
    count = after - before
    with np.errstate(invalid="ignore"):
        mean = (total[after] - total[before]) / count
    next_one = np.minimum(after, len(times) - 1)
    usual = (times[-1] - times[0]) / max(len(times) - 1, 1)
    reach = np.maximum(seconds[next_one], GAP * usual)
    going_on = (after < len(times)) & (after > 0) & (times[next_one] - reach < ends)
    return np.where(count > 0, mean, np.where(going_on, seconds[next_one], np.nan))


def _median(figures: Figures, axis: int) -> Figures:
    """The median of those that are there, the lower one of two; NaN where none is."""
    count = np.isfinite(figures).sum(axis=axis, keepdims=True)
    middle = np.maximum((count - 1) // 2, 0)
    found: Figures = np.take_along_axis(np.sort(figures, axis=axis), middle, axis)
    return found.squeeze(axis)


def _label(ranks: Sequence[int]) -> str:
    return f"{ranks[0]}" if len(ranks) == 1 else f"{ranks[0]}-{ranks[-1]}"


def _title(steps: Steps | None, width: int, pen: Pen) -> Line:
    """What is shown, over how long, who is the slowest, and what the heights mean."""
    line = [Segment("Step time of each rank", pen.roles.title)]
    if steps is None:
        return line
    legend = _legend(pen)
    median = seconds_said(float(np.nanmedian(steps.seconds)))
    span = q.duration(steps.stretch * steps.seconds.shape[1])
    line.append(Segment(f"  median {median}, last {span}", pen.roles.dim))
    line += _slowest(steps, pen)
    room = width - width_of(line) - width_of(legend)
    return [*line, Segment(" " * room, pen.roles.base), *legend] if room > 0 else line


def _slowest(steps: Steps, pen: Pen) -> list[Segment]:
    """The rank that is behind now, where one is."""
    count = max(round(RECENT / steps.stretch), 3)
    recent = _median(steps.relative[:, -count:], axis=1)
    if not np.isfinite(recent).any():
        return []
    at = int(np.nanargmax(recent))
    if recent[at] < NOTABLE:
        return []
    mark = pen.glyphs.warn
    text = pen.fit(f"{mark} rank {steps.ranks[at]}: {recent[at]:.1f}× the median", 30).rstrip()
    return [Segment("  ", pen.roles.base), Segment(text, pen.roles.warn)]


def _legend(pen: Pen) -> list[Segment]:
    """A sample of three heights."""
    times = "×" if pen.glyphs.name == "unicode" else "x"
    segments = []
    for figure, words in ((1.0, "1"), (1.5, "1.5"), (SLOW, "2")):
        level = _level(figure)
        segments += [
            Segment(_glyph(level, pen.glyphs), pen.roles.ramp(_share(level))),
            Segment(f" {words}{times}  ", pen.roles.dim),
        ]
    return segments


def _drawn(row: Figures, pen: Pen) -> list[Segment]:
    """Cells as segments, neighbours of one level together."""
    levels = [0 if np.isnan(figure) else _level(float(figure)) for figure in row]
    segments = []
    start = 0
    for end in range(1, len(levels) + 1):
        if end == len(levels) or levels[end] != levels[start]:
            level = levels[start]
            style = pen.roles.ramp(_share(level)) if level else pen.roles.base
            segments.append(Segment(_glyph(level, pen.glyphs) * (end - start), style))
            start = end
    return segments


def _level(figure: float) -> int:
    share = min(max((figure - FAST) / (SLOW - FAST), 0.0), 1.0)
    return 1 + round(share * (LEVELS - 1))


def _share(level: int) -> float:
    return (level - 1) / (LEVELS - 1)


def _glyph(level: int, glyphs: Glyphs) -> str:
    return glyphs.rows[level]


def seconds_said(seconds: float) -> str:
    """A step's time, as "0.512s" or "48.0ms"."""
    return f"{seconds * 1000:.3g}ms" if seconds < 0.1 else f"{seconds:.3g}s"
