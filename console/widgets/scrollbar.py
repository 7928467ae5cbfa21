"""Scroll bars of whole cells, for terminals that have no characters for parts of one."""

from typing import ClassVar

from textual.scrollbar import ScrollBar, ScrollBarRender

from .glyphs import glyphs


class WholeCells(ScrollBarRender):
    """A thumb whose ends are rounded to a cell: nothing but spaces on a ground."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * len(ScrollBarRender.VERTICAL_BARS)
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * len(ScrollBarRender.HORIZONTAL_BARS)


def choose_scroll_bars() -> None:
    """What scroll bars of this process are drawn with, as the other glyphs are."""
    ScrollBar.renderer = WholeCells if glyphs().name == "ascii" else ScrollBarRender
