"""A chart as strips: title, vertical axis, curves, horizontal axis. No widget."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from ..themes import Roles
from .axes import Axes, compact, log_ticks, nice_step, ticks, x_ticks
from .curves import BRAILLE, Curve, Window, braille, dots
from .glyphs import Glyphs

Tick = tuple[float, str]

FARTHEST = 1e300
"""Figures beyond are drawn as if they were this, so that no difference overflows."""

# Who owns a character of the canvas: nobody, the grid, or curve number (owner - 2).
_NOBODY, _GRID, _CURVES = 0, 1, 2


@dataclass(frozen=True, slots=True)
class _Frame:
    """What is around the canvas, by the room there is."""

    width: int
    """Of the canvas."""
    height: int
    title: bool
    line: bool
    """Whether the horizontal axis is drawn."""
    labels: bool
    """Whether it says what its ticks are."""
    gutter: int
    """Characters of the vertical axis' labels, its line not counted; -1 for no axis at all."""


def chart(
    curves: Sequence[Curve], axes: Axes, width: int, height: int, roles: Roles, glyphs: Glyphs
) -> list[Strip]:
    """A chart of exactly `height` strips, each exactly `width` wide.

    Where room is short the parts go in this order: the axis' line, its labels, the title, and
    the vertical axis.
    """
    if width <= 0 or height <= 0:
        return [Strip([], 0)] * max(height, 0)
    curves = [_finite(curve, axes.log) for curve in curves]
    window, levels = _window(curves, axes, height)
    if window is not None:
        curves = [_since(curve, window.left) for curve in curves]
    frame = _frame(width, height, levels)
    strips = [_title(curves, axes, width, roles, glyphs)] if frame.title else []
    if window is None:
        return strips + _empty(width, height - len(strips), roles)
    strips += _canvas(curves, axes, window, levels, frame, roles, glyphs)
    return strips + _below(axes, window, frame, roles, glyphs)


def _finite(curve: Curve, log: bool) -> Curve:
    """The curve as it is drawn: infinities are gaps, and a logarithm is taken where asked."""
    y = np.where(np.isfinite(curve.y), np.clip(curve.y, -FARTHEST, FARTHEST), np.nan)
    if log:
        y = np.log10(np.where(y > 0, y, np.nan))
    return Curve(curve.name, np.asarray(curve.x, dtype=np.float64), y)


def _since(curve: Curve, left: float) -> Curve:
    """The figures that are shown, so that the title speaks of those alone."""
    shown = curve.x >= left
    return curve if shown.all() else Curve(curve.name, curve.x[shown], curve.y[shown])


def _window(curves: Sequence[Curve], axes: Axes, height: int) -> tuple[Window | None, list[Tick]]:
    """The part of the plane to show, and the ticks of its vertical axis."""
    xs = [curve.x[np.isfinite(curve.x)] for curve in curves]
    xs = [x for x in xs if len(x)]
    if not xs:
        return None, []
    right = max(float(x.max()) for x in xs)
    left = right - axes.span if axes.span else min(float(x.min()) for x in xs)
    seen = [curve.y[(curve.x >= left) & np.isfinite(curve.y)] for curve in curves]
    seen = [y for y in seen if len(y)]
    if not seen:
        return None, []
    low = min(float(y.min()) for y in seen)
    high = max(float(y.max()) for y in seen)
    low, high, levels = _scale(low, high, axes, max(height // 4, 2))
    return Window(left, right if right > left else left + 1.0, low, high), levels


def _scale(low: float, high: float, axes: Axes, count: int) -> tuple[float, float, list[Tick]]:
    """The edges of the vertical axis, rounded where the data sets them."""
    if axes.log:
        return _log_scale(low, high, axes, count)
    low = axes.low if axes.low is not None else low
    high = axes.high if axes.high is not None else high
    low, high = min(max(low, -FARTHEST), FARTHEST), min(max(high, -FARTHEST), FARTHEST)
    if not high > low:
        room = max(abs(low) * 0.1, 1e-9) if low else 1.0
        low, high = low - (0 if axes.low is not None else room), low + room
    step = nice_step(high - low, count)
    edge = step / 4  # whole steps would leave room empty, none would move with every figure
    if axes.low is None:
        low = math.floor(low / edge + 1e-9) * edge
    if axes.high is None:
        high = math.ceil(high / edge - 1e-9) * edge
    return low, high, [(value, compact(value, step)) for value in ticks(low, high, step)]


def _log_scale(low: float, high: float, axes: Axes, count: int) -> tuple[float, float, list[Tick]]:
    if axes.low is not None and axes.low > 0:
        low = math.log10(axes.low)
    if axes.high is not None and axes.high > 0:
        high = math.log10(axes.high)
    if not high > low:
        low, high = low - 0.5, low + 0.5
    shown = log_ticks(low, high, count)
    return low, high, [(value, compact(10.0 ** min(value, 300.0))) for value in shown]


def _frame(width: int, height: int, levels: list[Tick]) -> _Frame:
    gutter = max((len(text) for _, text in levels), default=0)
    if width < gutter + 10 or height < 3:
        gutter = -1
    title, labels, line = height >= 3, height >= 5 and gutter >= 0, height >= 8 and gutter >= 0
    return _Frame(
        width=width - gutter - 1,
        height=height - title - labels - line,
        title=title,
        line=line,
        labels=labels,
        gutter=gutter,
    )


def _canvas(
    curves: Sequence[Curve],
    axes: Axes,
    window: Window,
    levels: list[Tick],
    frame: _Frame,
    roles: Roles,
    glyphs: Glyphs,
) -> list[Strip]:
    labels = _rows_of(levels, window, frame.height) if frame.gutter >= 0 else {}
    characters, owners = _drawn(curves, axes, window, labels, frame, roles, glyphs)
    text = characters.astype("<u4").tobytes().decode("utf-32-le")
    inks = (roles.base, roles.grid, *_inks(len(curves), roles))
    strips = []
    for row in range(frame.height):
        line = text[row * frame.width : (row + 1) * frame.width]
        segments = [*_left(labels.get(row), frame, roles, glyphs), *_runs(line, owners[row], inks)]
        strips.append(Strip(segments, frame.width + frame.gutter + 1))
    return strips


def _drawn(
    curves: Sequence[Curve],
    axes: Axes,
    window: Window,
    labels: dict[int, str],
    frame: _Frame,
    roles: Roles,
    glyphs: Glyphs,
) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Every character of the canvas as a code point, and who owns it; shape (height, width)."""
    shape = (frame.height, frame.width)
    characters = np.full(shape, ord(" "), dtype=np.uint32)
    owners = np.full(shape, _NOBODY, dtype=np.uint8)
    for row in labels:
        characters[row], owners[row] = ord(glyphs.grid), _GRID
    dotted = glyphs.braille and (len(curves) == 1 or roles.shades)
    together = np.zeros(shape, dtype=np.uint8)
    fine_across, fine_down = (2, 4) if dotted else (1, 1)
    for number, curve in enumerate(curves):
        shown = dots(curve, window, frame.width * fine_across, frame.height * fine_down, axes.gap)
        if dotted:
            cells = braille(shown)
            together |= cells
            touched = cells > 0
        else:
            touched = shown
            characters[touched] = ord(glyphs.series[number % len(glyphs.series)])
        owners[touched] = _CURVES + number
    inked = together > 0
    characters[inked] = together[inked] + np.uint32(BRAILLE)
    return characters, owners


def _inks(count: int, roles: Roles) -> tuple[Style, ...]:
    return tuple(roles.series[number % len(roles.series)] for number in range(count))


def _rows_of(levels: list[Tick], window: Window, height: int) -> dict[int, str]:
    """Row of the canvas → label; the upper of two that meet on a row wins."""
    labels: dict[int, str] = {}
    for value, text in reversed(levels):
        share = (window.high - value) / (window.high - window.low)
        row = min(int(round(share * (height * 4 - 1)) // 4), height - 1)
        labels.setdefault(row, text)
    return labels


def _left(label: str | None, frame: _Frame, roles: Roles, glyphs: Glyphs) -> Iterator[Segment]:
    if frame.gutter < 0:
        return
    if frame.gutter:
        yield Segment((label or "").rjust(frame.gutter), roles.faint)
    yield Segment(glyphs.vertical if label is None else glyphs.tick_left, roles.border)


def _runs(line: str, owners: NDArray[np.uint8], inks: tuple[Style, ...]) -> Iterator[Segment]:
    edges = [0, *(np.flatnonzero(np.diff(owners)) + 1).tolist(), len(line)]
    for start, end in itertools.pairwise(edges):
        if end > start:
            yield Segment(line[start:end], inks[owners[start]])


def _below(axes: Axes, window: Window, frame: _Frame, roles: Roles, glyphs: Glyphs) -> list[Strip]:
    """The horizontal axis and its labels."""
    indent = frame.gutter + 1
    width = frame.width + indent
    placed = _placed(
        x_ticks(window.left, window.right, max(frame.width // _APART[axes.across], 1), axes),
        window,
        frame,
    )
    strips = []
    if frame.line:
        line = [glyphs.horizontal] * frame.width
        for column, _, _ in placed:
            line[column] = glyphs.tick_below
        text = " " * frame.gutter + glyphs.corner + "".join(line)
        strips.append(Strip([Segment(text, roles.border)], width))
    if frame.labels:
        text = " " * indent
        for _, start, label in placed:
            text = text.ljust(indent + start) + label
        strips.append(Strip([Segment(text.ljust(width), roles.faint)], width))
    return strips


# Characters from one label of the horizontal axis to the next, at the least.
_APART = {"steps": 10, "age": 8, "clock": 12}


def _placed(marks: list[Tick], window: Window, frame: _Frame) -> list[tuple[int, int, str]]:
    """Of each tick its column, where its label starts, and the label; those that overlap go."""
    placed: list[tuple[int, int, str]] = []
    free = 0
    for value, label in marks:
        share = (value - window.left) / (window.right - window.left)
        column = round(share * (frame.width - 1))
        start = min(max(column - len(label) // 2, 0), frame.width - len(label))
        if start >= free:
            placed.append((column, start, label))
            free = start + len(label) + 2
    return placed


def _title(curves: Sequence[Curve], axes: Axes, width: int, roles: Roles, glyphs: Glyphs) -> Strip:
    """The title, then the fullest account of the curves that there is room for."""
    left = [Segment(axes.title, roles.title), Segment("  ", roles.base)] if axes.title else []
    room = width - _length(left)
    if len(curves) == 1:
        accounts = [_account(curves[0], axes, roles, room, extremes) for extremes in (True, False)]
    else:
        accounts = [_legend(curves, axes, roles, glyphs, figures) for figures in (True, False)]
    fitting = [account for account in accounts if _length(account) <= room]
    right = fitting[0] if fitting else accounts[-1]
    if len(curves) > 1:
        left.append(Segment(" " * (room - _length(right)), roles.base))
    return _cut([segment for segment in (*left, *right) if segment.text], width, roles, glyphs)


def _account(
    curve: Curve, axes: Axes, roles: Roles, room: int, with_extremes: bool
) -> list[Segment]:
    """One curve's latest figure and, at the right edge, its extremes."""
    latest = Segment(_latest(curve, axes), roles.series[0])
    if not with_extremes:
        return [latest]
    extremes = Segment(_extremes(curve, axes), roles.dim)
    blank = max(room - _length([latest, extremes]), 2)
    return [latest, Segment(" " * blank, roles.base), extremes]


def _legend(
    curves: Sequence[Curve], axes: Axes, roles: Roles, glyphs: Glyphs, with_figures: bool
) -> list[Segment]:
    """The curves' names beside a sample of their line, with their latest figures or without."""
    segments = []
    for number, (curve, ink) in enumerate(zip(curves, _inks(len(curves), roles), strict=True)):
        dotted = glyphs.braille and roles.shades
        sample = glyphs.horizontal * 2 if dotted else glyphs.series[number % len(glyphs.series)]
        segments.append(Segment(("  " if number else "") + f"{sample} ", ink))
        segments.append(Segment(curve.name, roles.dim))
        if with_figures:
            segments.append(Segment(f" {_latest(curve, axes)}", ink))
    return segments


def _latest(curve: Curve, axes: Axes) -> str:
    return _figure(float(curve.y[-1]) if len(curve.y) else math.nan, axes)


def _extremes(curve: Curve, axes: Axes) -> str:
    seen = curve.y[np.isfinite(curve.y)]
    if not len(seen):
        return ""
    return f"min {_figure(float(seen.min()), axes)}  max {_figure(float(seen.max()), axes)}"


def _figure(value: float, axes: Axes) -> str:
    if math.isnan(value):
        return "n/a"
    return compact(10.0 ** min(value, 300.0) if axes.log else value, unit=axes.unit)


def _length(segments: Sequence[Segment]) -> int:
    return sum(cell_len(segment.text) for segment in segments)


def _cut(segments: Sequence[Segment], width: int, roles: Roles, glyphs: Glyphs) -> Strip:
    """Exactly `width` cells of the segments: padded, or cut with a mark that says so."""
    strip = Strip(segments)
    if strip.cell_length > width:
        end = Strip([Segment(glyphs.ellipsis, roles.dim)], 1)
        strip = Strip.join([strip.crop(0, width - 1), end])
    return strip.extend_cell_length(width, roles.base)


def _empty(width: int, height: int, roles: Roles) -> list[Strip]:
    """Nothing to draw yet, said in the middle."""
    blank = Strip([Segment(" " * width, roles.base)], width)
    words = set_cell_size("no data yet", min(width, 11)).center(width)
    said = Strip([Segment(words, roles.faint)], width)
    return [said if row == height // 2 else blank for row in range(height)]
