"""The plot on a screen: it draws what it is shown, and repaints the lines that changed."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from textual.app import App, ComposeResult

from llmos.console import themes
from llmos.console.widgets.axes import Axes
from llmos.console.widgets.curves import Curve
from llmos.console.widgets.plot import LinePlot

if TYPE_CHECKING:
    from textual.geometry import Region

AXES = Axes(title="loss", low=0, high=10)


class Sample(App[None]):
    def __init__(self) -> None:
        super().__init__()
        for theme in themes.themes():
            self.register_theme(theme)
        self.theme = "dark"
        self.plot = LinePlot(AXES)

    def compose(self) -> ComposeResult:
        yield self.plot


def falling(count: int) -> Curve:
    return Curve("train", np.arange(100.0), np.r_[np.linspace(9, 1, 100 - count), np.ones(count)])


def text(app: Sample) -> list[str]:
    return [app.plot.render_line(y).text for y in range(app.plot.size.height)]


async def test_it_says_that_there_is_no_data_and_then_draws_it() -> None:
    app = Sample()
    async with app.run_test(size=(40, 9)) as pilot:
        assert "no data yet" in "".join(text(app))
        app.plot.show([falling(0)])
        await pilot.pause()
        shown = text(app)
        assert shown[0].startswith("loss  1 ")
        assert "no data yet" not in "".join(shown)
        assert {len(line) for line in shown} == {40}


async def test_only_lines_that_changed_are_repainted(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Sample()
    async with app.run_test(size=(40, 9)) as pilot:
        app.plot.show([falling(0)])
        await pilot.pause()
        before = text(app)
        asked: list[Region] = []
        monkeypatch.setattr(app.plot, "refresh", lambda *regions: asked.extend(regions))
        app.plot.show([falling(0)])
        assert asked == []
        app.plot.show([falling(20)])
        changed = [
            y for y, (old, new) in enumerate(zip(before, text(app), strict=True)) if old != new
        ]
        assert [region.y for region in asked] == changed
        assert 0 < len(changed) < 9


async def test_a_resize_and_another_theme_draw_anew() -> None:
    app = Sample()
    async with app.run_test(size=(40, 9)) as pilot:
        app.plot.show([falling(0)])
        await pilot.pause()
        await pilot.resize_terminal(60, 12)
        await pilot.pause()
        assert {len(line) for line in text(app)} == {60}
        assert len(text(app)) == 12
        app.theme = "light"
        await pilot.pause()
        style = next(iter(app.plot.render_line(0))).style
        assert style is not None
        assert style.color == themes.roles("light").title.color


async def test_other_axes_can_be_given_with_the_data() -> None:
    app = Sample()
    async with app.run_test(size=(40, 9)) as pilot:
        app.plot.show([falling(0)])
        await pilot.pause()
        app.plot.show([falling(0)], Axes(title="speed"))
        assert text(app)[0].startswith("speed ")
