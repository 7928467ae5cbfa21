"""The look: themes that repaint everything, few colours, none, and terminals without Unicode."""

import pytest
from rich.color import Color
from textual import constants

from llmos.console import themes
from llmos.console.widgets.glyphs import glyphs
from llmos.tests.console.fleets import TRAINER, Fleet, job
from llmos.tests.console.looking import seen, settled

FLEET = Fleet(faults={3: "lost", 5: "hot"}, jobs=(job("7"),), processes=(TRAINER,))
WAYS = {
    "fleet": [],
    "node": ["enter"],
    "jobs": ["2"],
    "job": ["2", "enter"],
    "launch": ["n"],
    "help": ["question_mark"],
}


def grounds(app) -> set[str]:
    """Every colour that stands behind a character."""
    strips = app.screen._compositor.render_strips()
    colours = [segment.style.bgcolor for strip in strips for segment in strip if segment.style]
    return {colour.get_truecolor().hex for colour in colours if colour is not None}


@pytest.mark.parametrize("screen", WAYS)
async def test_another_theme_repaints_everything(make_app, screen):
    looks = {}
    for theme in ("dark", "light"):
        app = make_app(FLEET, theme)
        async with app.run_test(size=(100, 30)) as pilot:
            await settled(pilot)
            await pilot.press(*WAYS[screen])
            await settled(pilot)
            looks[theme] = grounds(app)
            if theme == "dark":
                app.set_theme("light")
                app.clear_notifications()
                await settled(pilot)
                await settled(pilot)
                switched = grounds(app)
    assert switched == looks["light"]
    assert switched.isdisjoint(looks["dark"] - looks["light"])


async def test_the_key_goes_through_all_themes_and_the_choice_is_kept(make_app):
    app = make_app(FLEET)
    async with app.run_test() as pilot:
        await settled(pilot)
        chosen = []
        for _ in themes.NAMES:
            await pilot.press("T")
            chosen.append(app.theme)
        assert set(chosen) == set(themes.NAMES)
        assert chosen[-1] == "dark"
        assert app.settings.load().theme == "dark"


@pytest.mark.parametrize("screen", WAYS)
async def test_a_terminal_without_unicode_gets_none(make_app, monkeypatch, screen):
    monkeypatch.setenv("LLMOS_ASCII", "1")
    glyphs.cache_clear()
    app = make_app(FLEET)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await pilot.press(*WAYS[screen])
        await settled(pilot)
        assert {letter for letter in seen(app) if not letter.isascii()} == set()


async def test_without_colour_states_and_the_cursor_are_still_told(make_app, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    app = make_app(FLEET)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        assert "✖ lost" in seen(app)
        assert "✖ slowed" in seen(app)
        strip = app.query_one("#grid").render_line(1)
        assert any(segment.style.reverse for segment in strip if segment.style)


async def test_sixteen_colours_are_enough(make_app, monkeypatch):
    monkeypatch.setattr(constants, "COLOR_SYSTEM", "standard")
    app = make_app(FLEET)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        assert themes.depth_of(app) == "few"
        strip = app.query_one("#grid").render_line(1)
        assert any(segment.style.reverse for segment in strip if segment.style)


async def test_the_cursor_is_on_another_ground_while_the_grid_has_the_keys(make_app):
    app = make_app(FLEET)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        selection = Color.parse(themes.colours("dark")["selection"])
        grid = app.query_one("#grid")

        def marked(y: int) -> bool:
            strip = grid.render_line(y)
            return any(segment.style.bgcolor == selection for segment in strip if segment.style)

        assert [marked(y) for y in range(4)] == [False, True, False, False]
        await pilot.press("down")
        assert [marked(y) for y in range(4)] == [False, False, True, False]
        await pilot.press("tab")
        await settled(pilot)
        assert not any(marked(y) for y in range(4))
