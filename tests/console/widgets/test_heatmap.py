"""The heat map on a screen: what it repaints, its cursor, its mouse."""

from collections.abc import Iterator
from math import nan

import numpy as np
import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region

from llmos.console import themes
from llmos.console.widgets.glyphs import glyphs
from llmos.console.widgets.heatcells import Mark
from llmos.console.widgets.heatmap import HeatMap


class Sample(App[None]):
    def __init__(self, group: int = 0) -> None:
        super().__init__()
        for theme in themes.themes():
            self.register_theme(theme)
        self.theme = "dark"
        self.map = HeatMap(group=group)
        self.heard: list[tuple[str, int]] = []

    def compose(self) -> ComposeResult:
        yield self.map

    def on_heat_map_chosen(self, message: HeatMap.Chosen) -> None:
        self.heard.append(("chosen", message.row))

    def on_heat_map_moved(self, message: HeatMap.Moved) -> None:
        self.heard.append(("moved", message.row))


@pytest.fixture(autouse=True)
def _full_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("LLMOS_ASCII", "0")
    monkeypatch.setattr(themes, "depth_of", lambda app: "few" if app.no_color else "full")
    glyphs.cache_clear()
    yield
    glyphs.cache_clear()


def lines(app: Sample, count: int) -> list[str]:
    return [app.map.render_line(y).text.rstrip() for y in range(count)]


async def test_few_gpus_are_wide_and_grouped() -> None:
    app = Sample(group=4)
    async with app.run_test(size=(40, 5)):
        app.map.show([0, 0.5, 1, nan, 1, 1], [0, 0, 0, 0, 0, Mark.BAD])
        assert lines(app, 2) == ["▁▁▅▅██·· ██✖✖", ""]


async def test_many_gpus_share_characters_and_scroll() -> None:
    app = Sample()
    async with app.run_test(size=(41, 5)) as pilot:
        app.map.show(np.linspace(0, 1, 10_000))
        await pilot.pause()
        assert app.map.cell_layout.stacked == 2
        assert app.map.virtual_size.height == 125
        app.map.focus()
        await pilot.press("end")
        assert app.map.scroll_offset.y == 120
        assert app.map.cursor == 9_999


async def test_without_colour_no_two_share_a_character(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = Sample()
    async with app.run_test(size=(40, 5)) as pilot:
        app.map.show(np.full(1000, 0.5))
        await pilot.pause()
        assert app.map.cell_layout.stacked == 1
        assert set(lines(app, 5)[0]) == {"▅"}


async def test_lines_that_stay_are_the_same_strip_and_changes_alone_are_repainted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = Sample()
    async with app.run_test(size=(40, 5)) as pilot:
        figures = np.full(150, 0.5)
        app.map.show(figures)
        await pilot.pause()
        before = [app.map.render_line(y) for y in range(5)]
        asked: list[Region] = []
        monkeypatch.setattr(app.map, "refresh", lambda *regions: asked.extend(regions))
        app.map.show(figures + 0.01)
        assert asked == []
        figures[[45, 46, 60]] = 1.0
        app.map.show(figures)
        after = [app.map.render_line(y) for y in range(5)]
        assert [old is new for old, new in zip(before, after, strict=True)] == [
            True,
            False,
            True,
            True,
            True,
        ]
        assert asked == [Region(5, 1, 2, 1), Region(20, 1, 1, 1)]


async def test_keys_move_and_choose() -> None:
    app = Sample()
    async with app.run_test(size=(8, 5)) as pilot:
        app.map.show(np.zeros(10))
        app.map.focus()
        await pilot.press("right", "down", "enter")
        assert app.heard == [("moved", 1), ("moved", 5), ("chosen", 5)]
        await pilot.press("home", "left")
        assert app.map.cursor == 0


async def test_a_click_chooses_the_cell_under_the_mouse() -> None:
    app = Sample(group=2)
    async with app.run_test(size=(20, 5)) as pilot:
        app.map.show(np.zeros(6))
        await pilot.pause()
        await pilot.click(HeatMap, offset=(6, 0))
        await pilot.click(HeatMap, offset=(4, 0))  # the blank between two groups
        await pilot.click(HeatMap, offset=(6, 3))  # below the last line
        assert app.heard == [("moved", 2), ("chosen", 2)]


async def test_fewer_rows_pull_the_cursor_back() -> None:
    app = Sample()
    async with app.run_test(size=(20, 5)) as pilot:
        app.map.show(np.zeros(9))
        app.map.cursor = 8
        app.map.show(np.zeros(3))
        await pilot.pause()
        assert app.map.cursor == 2
        app.map.show([])
        await pilot.press("enter")
        assert app.map.cursor == 0
        assert lines(app, 1) == [""]


async def test_another_theme_paints_anew() -> None:
    app = Sample()
    async with app.run_test(size=(20, 5)) as pilot:
        app.map.show(np.ones(3))
        await pilot.pause()
        dark = app.map.render_line(0)
        app.theme = "light"
        await pilot.pause()
        light = app.map.render_line(0)
        style = next(iter(light)).style
        assert light.text == dark.text
        assert style is not None
        assert style.color == themes.roles("light").steps[-1].color


async def test_a_resize_lays_out_anew() -> None:
    app = Sample()
    async with app.run_test(size=(80, 5)) as pilot:
        app.map.show(np.zeros(30))
        await pilot.pause()
        assert app.map.cell_layout.columns == 40
        await pilot.resize_terminal(20, 5)
        await pilot.pause()
        assert app.map.cell_layout.columns == 10
