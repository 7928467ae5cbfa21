"""Curves as dots: joined where figures follow each other, broken where one is absent."""

from math import nan

import numpy as np
from numpy.typing import ArrayLike

from llmos.console.widgets.curves import BRAILLE, Curve, Window, braille, dots


def drawn(
    x: ArrayLike, y: ArrayLike, across: int, down: int, gap: float | None = None
) -> list[str]:
    curve = Curve("c", np.asarray(x, dtype=float), np.asarray(y, dtype=float))
    window = Window(left=0, right=across - 1, low=0, high=max(down - 1, 1))
    shown = dots(curve, window, across, down, gap)
    return ["".join("#" if dot else "." for dot in row) for row in shown]


def test_a_rising_line() -> None:
    assert drawn([0, 1, 2, 3], [0, 1, 2, 3], 4, 4) == ["...#", "..#.", ".#..", "#..."]


def test_columns_between_two_figures_are_crossed() -> None:
    assert drawn([0, 4], [0, 2], 5, 3) == ["...##", "..#..", "##..."]


def test_a_jump_is_joined() -> None:
    assert drawn([0, 1], [0, 3], 2, 4) == [".#", ".#", ".#", "#."]


def test_many_figures_of_one_column_are_its_extremes() -> None:
    assert drawn([0, 0.1, 0.2, 0.3, 1], [1, 3, 0, 1, 1], 2, 4) == ["#.", "#.", "##", "#."]


def test_an_absent_figure_is_a_gap() -> None:
    assert drawn([0, 1, 2, 3, 4], [0, 0, nan, 0, 0], 5, 2) == [".....", "##.##"]


def test_a_figure_between_absent_ones_is_a_dot() -> None:
    assert drawn([0, 1, 2], [nan, 1, nan], 3, 2) == [".#.", "..."]


def test_a_long_silence_is_a_gap() -> None:
    assert drawn([0, 1, 4, 5], [0, 0, 0, 0], 6, 1, gap=2) == ["##..##"]
    assert drawn([0, 1, 4, 5], [0, 0, 0, 0], 6, 1, gap=3) == ["######"]


def test_figures_beyond_the_edges_are_drawn_at_the_edge_and_x_outside_is_not() -> None:
    assert drawn([0, 1, 2], [9, 9, -9], 3, 3) == ["##.", "..#", "..#"]
    assert drawn([-5, 1, 9], [0, 0, 0], 3, 1) == [".#."]


def test_figures_out_of_order_are_sorted() -> None:
    assert drawn([2, 0, 1], [2, 0, 1], 3, 3) == ["..#", ".#.", "#.."]


def test_nothing_to_draw() -> None:
    assert drawn([], [], 3, 1) == ["..."]
    assert drawn([0, 1], [nan, nan], 3, 1) == ["..."]


def test_braille_dots_are_numbered_as_unicode_does() -> None:
    shown = np.zeros((4, 4), dtype=bool)
    shown[0, 0] = shown[3, 1] = True
    shown[:, 2:] = True
    cells = braille(shown)
    assert [chr(BRAILLE + int(cell)) for cell in cells[0]] == ["⢁", "⣿"]
