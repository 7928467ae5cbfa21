"""Curves as dots: figures over x become a column's span of dots each, and dots become braille."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Figures = NDArray[np.float64]
Dots = NDArray[np.bool_]

# Unicode's numbering of the eight dots of a braille cell, four rows of two.
_BRAILLE_BITS = np.array([[1, 8], [2, 16], [4, 32], [64, 128]], dtype=np.uint8)
BRAILLE = 0x2800


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One series of figures."""

    name: str
    """What the legend calls it."""

    x: Figures
    """Steps or unix seconds, as long as `y`, rising."""

    y: Figures
    """Figures; NaN where absent, which leaves a gap."""


@dataclass(frozen=True, slots=True)
class Window:
    """The part of the plane that a plot shows."""

    left: float
    right: float
    low: float
    high: float


def dots(curve: Curve, window: Window, across: int, down: int, gap: float | None = None) -> Dots:
    """The dots of a curve, shape (down, across): top first.

    Figures outside the window's heights are drawn at its edge, those left and right of it not.
    """
    top, bottom = _spans(curve, window, across, down, gap)
    rows = np.arange(down)[:, None]
    shown: Dots = (rows >= top) & (rows <= bottom)
    return shown


def braille(shown: Dots) -> NDArray[np.uint8]:
    """Dots of shape (4 h, 2 w) as the low bytes of h by w braille characters."""
    down, across = shown.shape
    cells = shown.reshape(down // 4, 4, across // 2, 2)
    bits = np.where(cells, _BRAILLE_BITS[None, :, None, :], np.uint8(0))
    packed: NDArray[np.uint8] = bits.sum(axis=(1, 3), dtype=np.uint8)
    return packed


def _spans(
    curve: Curve, window: Window, across: int, down: int, gap: float | None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first and the last row of each column's dots; first > last where there are none."""
    top, bottom = np.full(across, down), np.full(across, -1)
    x, y, piece = _points(curve, window, gap)
    if not len(x):
        return top, bottom
    column = np.rint((x - window.left) / (window.right - window.left) * (across - 1)).astype(int)
    share = np.clip((window.high - y) / (window.high - window.low), 0.0, 1.0)
    row = np.rint(share * (down - 1)).astype(int)

    starts = np.flatnonzero(np.r_[True, np.diff(column) > 0])
    ends = np.r_[starts[1:], len(column)] - 1
    filled = column[starts]
    top[filled] = np.minimum.reduceat(row, starts)
    bottom[filled] = np.maximum.reduceat(row, starts)

    # Where a line enters and leaves each column, and of which unbroken piece it is there.
    enters, leaves = np.full(across, -1), np.full(across, -1)
    enters[filled], leaves[filled] = row[starts], row[ends]
    enters_piece, leaves_piece = np.full(across, -1), np.full(across, -2)
    enters_piece[filled], leaves_piece[filled] = piece[starts], piece[ends]

    between = _between(filled, row[starts], row[ends], piece[starts], piece[ends])
    for target in (top, bottom, enters, leaves):
        target[between[0]] = between[1]
    enters_piece[between[0]] = leaves_piece[between[0]] = between[2]

    joined = enters_piece[1:] == leaves_piece[:-1]
    top[1:] = np.where(joined, np.minimum(top[1:], leaves[:-1] + 1), top[1:])
    bottom[1:] = np.where(joined, np.maximum(bottom[1:], leaves[:-1] - 1), bottom[1:])
    return top, bottom


def _points(
    curve: Curve, window: Window, gap: float | None
) -> tuple[Figures, Figures, NDArray[np.intp]]:
    """The figures inside the window, and the number of the unbroken piece that each is of."""
    x, y = curve.x, curve.y
    if len(x) > 1 and np.any(np.diff(x) < 0):
        order = np.argsort(x, kind="stable")
        x, y = x[order], y[order]
    broken = ~np.isfinite(y)
    if gap is not None and len(x) > 1:
        broken = broken | np.r_[False, np.diff(x) > gap]
    piece = np.cumsum(broken)
    inside = np.isfinite(y) & (x >= window.left) & (x <= window.right)
    return x[inside], y[inside], piece[inside]


def _between(
    filled: NDArray[np.intp],
    enters: NDArray[np.intp],
    leaves: NDArray[np.intp],
    enters_piece: NDArray[np.intp],
    leaves_piece: NDArray[np.intp],
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Empty columns that a line crosses: their numbers, rows and pieces."""
    columns = np.arange(filled[0], filled[-1] + 1)
    right = np.searchsorted(filled, columns)
    empty = filled[right] != columns
    columns, right = columns[empty], right[empty]
    crossed = leaves_piece[right - 1] == enters_piece[right]
    columns, right = columns[crossed], right[crossed]
    left = right - 1
    share = (columns - filled[left]) / (filled[right] - filled[left])
    rows = np.rint(leaves[left] + (enters[right] - leaves[left]) * share).astype(int)
    return columns, rows, enters_piece[right]
