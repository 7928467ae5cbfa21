"""Every action that the table offers is there, does something, and harms nothing by being asked."""

import pytest

from llmos.console.actions import ACTIONS, app_bindings, offered
from llmos.console.screens.live import LiveScreen
from llmos.tests.console.fleets import TRAINER, Fleet, job
from llmos.tests.console.looking import Agent, notices, seen, settled

FLEET = Fleet(jobs=(job("7"),), processes=(TRAINER,))
WAYS = {
    "fleet": [],
    "node": ["enter"],
    "jobs": ["2"],
    "job": ["2", "enter"],
    "artifacts": ["3"],
    "artifact": ["3", "enter"],
}
"""Screen → the keys that lead to it."""

OFFERED = [
    (screen, key)
    for screen in WAYS
    for action in offered(screen, readonly=False)
    for key in action.keys.split(",")
    if action.name != "app.quit"
]


async def opened(pilot, screen: str) -> None:
    app = pilot.app
    app.feed.client = app.feed.client or Agent()
    await settled(pilot)
    for key in WAYS[screen]:
        await pilot.press(key)
        await settled(pilot)
    await settled(pilot)
    assert screen == pilot.app.screen.KIND


def test_no_key_means_two_things_on_a_screen():
    for screen in WAYS:
        keys = [key for each in offered(screen, readonly=False) for key in each.keys.split(",")]
        assert len(keys) == len(set(keys)), screen


def test_every_screen_is_reached_and_every_action_belongs_to_one():
    assert {name for action in ACTIONS for name in action.screens} == set(WAYS)
    assert {binding.action for binding in app_bindings()} >= {"app.help", "app.quit"}


@pytest.mark.parametrize("screen", WAYS)
async def test_each_action_has_its_method(make_app, screen):
    app = make_app(FLEET)
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, screen)
        assert isinstance(app.screen, LiveScreen)
        for action in offered(screen, readonly=False):
            owner = app if action.name.startswith("app.") else app.screen
            assert callable(getattr(owner, f"action_{action.name.removeprefix('app.')}"))


@pytest.mark.parametrize("screen", WAYS)
async def test_each_key_works(make_app, screen):
    app = make_app(FLEET)
    app.feed.client = Agent()
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, screen)
        for name, key in OFFERED:
            if name != screen:
                continue
            here = app.screen
            await pilot.press(key)
            await pilot.pause()
            if app.screen.is_modal or app.screen.query("Prompt"):
                await pilot.press("escape")
                await pilot.pause()
            if app.screen is not here:
                app.action_fleet()
                await opened(pilot, screen)
        assert app._exception is None
        assert {call[0] for call in app.feed.client.asked} <= {"job"}


@pytest.mark.parametrize("screen", WAYS)
async def test_each_item_of_the_key_bar_can_be_clicked(make_app, screen):
    app = make_app(FLEET)
    async with app.run_test(size=(120, 30)) as pilot:
        await opened(pilot, screen)
        bar = seen(app).splitlines()[-1]
        assert "? Help" in bar
        await pilot.click(offset=(bar.index("Help"), 29))
        await settled(pilot)
        assert type(app.screen).__name__ == "HelpScreen"
        shown = seen(app)
        for action in offered(screen, readonly=False)[:8]:
            assert action.shown in shown


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
async def test_leaving(make_app, key):
    app = make_app(FLEET)
    async with app.run_test() as pilot:
        await settled(pilot)
        await pilot.press(key)
        await pilot.pause()
    assert app.return_code == 0
    assert app._exit


@pytest.mark.parametrize("key", ["question_mark", "n", "colon", "slash"])
async def test_ctrl_c_gives_up_what_is_open_before_it_leaves(make_app, key):
    app = make_app(FLEET)
    async with app.run_test() as pilot:
        await settled(pilot)
        await pilot.press(key)
        await settled(pilot)
        await pilot.press("ctrl+c")
        await settled(pilot)
        assert not app._exit
        assert len(app.screen_stack) == 1
        assert not app.screen.query("Prompt")
        assert app.focused is app.screen.query_one("#grid")


CHANGES = [
    (screen, action.keys)
    for screen in WAYS
    for action in offered(screen, readonly=False)
    if action.changes
]


@pytest.mark.parametrize(("screen", "key"), CHANGES)
async def test_a_read_only_console_changes_nothing(make_app, screen, key):
    app = make_app(FLEET, readonly=True)
    app.feed.client = Agent()
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, screen)
        await pilot.press(key)
        await settled(pilot)
        assert screen == app.screen.KIND
        assert "read-only" in notices(app)[-1]
        assert {call[0] for call in app.feed.client.asked} <= {"job"}
        bar = seen(app).splitlines()[-1]
        assert not any(f"{each.shown} {each.title}" in bar for each in ACTIONS if each.changes)


async def test_a_read_only_console_runs_nothing_by_command(make_app):
    app = make_app(FLEET, readonly=True)
    app.feed.client = Agent()
    async with app.run_test() as pilot:
        await settled(pilot)
        await pilot.press("colon", *"run", "space", *"@train-text", "enter")
        await settled(pilot)
        assert app.feed.client.asked == []
        assert "read-only" in notices(app)[-1]
