"""The `:` line and the help."""

import pytest

from llmos.console.screens.command import COMMANDS
from llmos.console.screens.help import HelpScreen
from llmos.tests.console.fleets import Fleet, job
from llmos.tests.console.looking import Agent, notices, seen, settled


@pytest.fixture
def app(make_app):
    app = make_app(Fleet(nodes=2, samples=2, jobs=(job("7"),)))
    app.feed.client = Agent()
    return app


async def typed(pilot, line: str) -> None:
    await settled(pilot)
    await pilot.press("colon")
    await pilot.pause()
    pilot.app.screen.query_one("Prompt").value = line
    await pilot.press("enter")
    await settled(pilot)


@pytest.mark.parametrize(
    ("line", "screen"),
    [
        ("jobs", "jobs"), ("job 7", "job"), ("node gpu-2", "node"), ("node", "node"),
        ("fleet", "fleet"), ("jo 7", "fleet"), ("fl", "fleet"), ("", "fleet"),
    ],
)  # fmt: skip
async def test_a_name_leads_to_its_screen(app, line, screen):
    async with app.run_test(size=(100, 30)) as pilot:
        await typed(pilot, line)
        assert screen == app.screen.KIND


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("jbos", 'unknown command "jbos", did you mean "jobs"?'),
        ("xyzzy", "expected one of artifact, artifacts, fleet"),
        ("jo 7", 'did you mean "job"?'),
        ("job", "expected the id of a job; the latest are 7"),
        ("job 99", "expected the id of a job; the latest are 7"),
        ("node gpu-3", 'unknown node "gpu-3", did you mean "gpu-'),
        ("theme drak", '"drak", did you mean "dark"?'),
        ("theme", "expected one of"),
        ("run @train-txt", 'did you mean "train-text"?'),
        ("run 'open", "No closing quotation"),
        ("run [/b].toml", "no such file"),
    ],
)
async def test_what_is_off_is_told_in_one_line_with_the_nearest_name(app, line, said):
    async with app.run_test(size=(100, 30)) as pilot:
        await typed(pilot, line)
        assert said in notices(app)[-1]
        assert "\n" not in notices(app)[-1]
        assert app.screen is app.screen_stack[0]
        assert app.feed.client.asked == []


async def test_the_keys_go_back_to_the_grid(app):
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        for key in ("escape", "enter"):
            await pilot.press("colon", key)
            await settled(pilot)
            assert app.focused is app.screen.query_one("#grid")
            assert not app.screen.query("Prompt")


async def test_tab_completes(app):
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await pilot.press("colon", *"theme li")
        await settled(pilot)
        await pilot.press("tab", "enter")
        await settled(pilot)
        assert app.theme == "light"


async def test_a_job_is_run_and_opened(app):
    async with app.run_test(size=(100, 30)) as pilot:
        await typed(pilot, "run @train-text --set train.steps=5")
        assert ("submit", "train", "train-text") in app.feed.client.asked
        assert getattr(app.screen, "KIND", "") == "job"


async def test_leaving_by_command(app):
    async with app.run_test() as pilot:
        await typed(pilot, "quit")
    assert app._exit


async def test_every_command_says_what_it_expects_of_too_many_words(app):
    async with app.run_test(size=(100, 30)) as pilot:
        for name in COMMANDS:
            if name not in ("quit", "q"):
                await typed(pilot, f"{name} no such thing")
                app.action_fleet()
                await settled(pilot)
        assert app._exception is None


@pytest.mark.parametrize("way", [[], ["2"], ["enter"]])
async def test_the_help_says_what_keys_and_columns_mean(app, way):
    async with app.run_test(size=(80, 60)) as pilot:
        await settled(pilot)
        await pilot.press(*way, "question_mark")
        await settled(pilot)
        assert isinstance(app.screen, HelpScreen)
        shown = seen(app)
        assert "?" in shown.splitlines()[5] or "?" in shown
        assert "Columns" in shown
        assert "STATE" in shown
        await pilot.press("escape")
        await settled(pilot)
        assert not app.screen.is_modal
