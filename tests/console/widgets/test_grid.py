"""The grid: which columns fit, and that it paints what differs and no more."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.geometry import Region

from llmos.console import themes
from llmos.console.tables.cells import figure, words
from llmos.console.tables.order import ranks
from llmos.console.widgets.grid import Grid
from llmos.console.widgets.table import GAP, Column, Rows, fit

COLUMNS = (
    Column("name", "NAME", 8, words("name"), stretch=1, rank=0),
    Column("value", "VALUE", 6, figure("value", str), rank=1, right=True),
)


class Numbers:
    """A table of names and values that a test changes."""

    columns: Sequence[Column] = COLUMNS

    def __init__(self, count: int) -> None:
        self.values: list[float | None] = list(range(count))

    def arrange(self, sort: str, descending: bool, text: str) -> Rows:
        rows = np.array([at for at in range(len(self.values)) if text in f"row {at}"], np.int64)
        if not sort:
            return rows[::-1] if descending else rows
        return rows[ranks([self.rows([at])[0][sort] for at in rows], descending)]

    def rows(self, wanted: Sequence[int]) -> Sequence[dict[str, Any]]:
        return [{"name": f"row {at}", "value": self.values[at]} for at in wanted]


class GridApp(App[None]):
    """One grid that remembers what it refreshed."""

    def __init__(self, table: Numbers) -> None:
        super().__init__()
        self.table = table
        self.opened: list[int] = []
        for theme in themes.themes():
            self.register_theme(theme)
        self.theme = "dark"

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.variables()

    def compose(self) -> ComposeResult:
        yield Grid(self.table, id="grid", empty="nothing here")

    def on_grid_opened(self, message: Grid.Opened) -> None:
        self.opened.append(message.row)


def text_of(grid: Grid) -> list[str]:
    return [grid.render_line(y).text.rstrip() for y in range(grid.size.height)]


def columns() -> st.SearchStrategy[list[Column]]:
    paint = words("x")
    made = st.builds(
        lambda width, stretch, rank: Column("k", "T", width, paint, stretch, rank),
        st.integers(1, 20), st.integers(0, 3), st.integers(0, 9),
    )  # fmt: skip
    return st.lists(made, min_size=1, max_size=12)


@given(columns(), st.integers(1, 300))
def test_what_fits_fills_the_width_and_never_passes_it(chosen, width):
    fitted = fit(chosen, width)
    used = sum(cells + GAP for _, cells in fitted) - GAP
    assert len(fitted) >= 1
    assert used <= width or len(fitted) == 1
    if any(column.stretch for column, _ in fitted) and used <= width:
        assert used == width
    assert all(cells >= column.width for column, cells in fitted)


@given(columns(), st.integers(1, 300))
def test_the_least_important_columns_go_first_and_none_changes_place(chosen, width):
    kept = [column for column, _ in fit(chosen, width)]
    ranks_kept = [column.rank for column in kept]
    left_out = list(chosen)
    for column in kept:
        left_out.remove(column)
    assert not left_out or min(column.rank for column in left_out) >= max(ranks_kept)
    places = iter(chosen)
    assert all(column in places for column in kept)


async def test_the_cursor_stays_on_its_row_when_the_order_changes():
    app = GridApp(Numbers(5))
    async with app.run_test(size=(40, 10)) as pilot:
        grid = app.query_one(Grid)
        grid.update()
        await pilot.press("down", "down")
        assert grid.cursor == 2
        grid.set_sort("value", descending=True)
        app.table.values[2] = 99
        grid.update()
        await pilot.pause()
        assert grid.cursor == 2
        assert text_of(grid)[1].split()[:2] == ["row", "2"]
        await pilot.press("up", "enter")
        assert app.opened == [2]


async def test_only_cells_that_differ_are_painted_again(monkeypatch):
    app = GridApp(Numbers(5))
    async with app.run_test(size=(40, 10)) as pilot:
        grid = app.query_one(Grid)
        grid.update()
        await pilot.pause()
        painted: list[Region] = []
        monkeypatch.setattr(grid, "refresh", lambda *regions, **_: painted.extend(regions))
        grid.update()
        assert painted == []
        app.table.values[3] = 77
        grid.update()
        assert painted == [Region(34, 4, 6, 1)]


async def test_a_click_on_a_header_sorts_and_again_turns_around():
    app = GridApp(Numbers(3))
    async with app.run_test(size=(40, 10)) as pilot:
        grid = app.query_one(Grid)
        grid.update()
        await pilot.click(Grid, offset=(38, 0))
        assert (grid.sort, grid.descending) == ("value", True)
        assert text_of(grid)[1].startswith("row 2")
        await pilot.click(Grid, offset=(38, 0))
        assert (grid.sort, grid.descending) == ("value", False)
        assert "VALUE▲" in text_of(grid)[0] or "VALUE^" in text_of(grid)[0]


async def test_keys_sort_by_every_column_and_come_back():
    app = GridApp(Numbers(3))
    async with app.run_test(size=(40, 10)) as pilot:
        grid = app.query_one(Grid)
        grid.update()
        seen = []
        for _ in range(3):
            await pilot.press("greater_than_sign")
            seen.append((grid.sort, grid.descending))
        assert seen == [("name", True), ("value", True), ("", False)]
        await pilot.press("less_than_sign", "I")
        assert (grid.sort, grid.descending) == ("value", False)


async def test_a_click_takes_the_cursor_and_a_second_opens():
    app = GridApp(Numbers(3))
    async with app.run_test(size=(40, 10)) as pilot:
        app.query_one(Grid).update()
        await pilot.click(Grid, offset=(2, 3))
        assert app.query_one(Grid).cursor == 2
        assert app.opened == []
        await pilot.click(Grid, offset=(2, 3), times=2)
        assert app.opened == [2]
        await pilot.click(Grid, offset=(2, 8))
        assert app.query_one(Grid).cursor == 2


async def test_a_hundred_thousand_rows_are_made_only_where_seen(monkeypatch):
    app = GridApp(Numbers(100_000))
    async with app.run_test(size=(40, 10)) as pilot:
        grid = app.query_one(Grid)
        made: list[int] = []
        rows = app.table.rows

        def counted(wanted: Sequence[int]) -> Sequence[dict[str, Any]]:
            made.extend(wanted)
            return rows(wanted)

        monkeypatch.setattr(app.table, "rows", counted)
        grid.update()
        await pilot.press("end")
        grid.update()
        await pilot.pause()
        assert grid.cursor == 99_999
        assert text_of(grid)[-1].startswith("row 999")
        assert len(made) < 200


@pytest.mark.parametrize("keys", [["down"], ["up"], ["pagedown"], ["end"], ["enter"], ["I"]])
async def test_an_empty_grid_says_so_and_takes_every_key(keys):
    app = GridApp(Numbers(0))
    async with app.run_test(size=(40, 10)) as pilot:
        grid = app.query_one(Grid)
        grid.update()
        await pilot.press(*keys)
        assert text_of(grid)[1] == "nothing here"
        grid.set_filter("words")
        assert text_of(grid)[1] == "no row contains these words"
        assert app.opened == []
