"""Node: a GPU closely, its host, and the processes, one of which can be ended."""

import pytest

from llmos.console.screens.confirm import ConfirmScreen
from llmos.console.widgets.grid import Grid
from llmos.tests.console.fleets import NOW, STRANGER, TRAINER, Fleet
from llmos.tests.console.looking import Agent, notices, seen, settled, tell

FLEET = Fleet(faults={3: "lost"}, processes=(TRAINER, STRANGER))


@pytest.fixture
def app(make_app):
    app = make_app(FLEET)
    app.feed.client = Agent()
    return app


async def opened(pilot) -> None:
    await settled(pilot)
    await pilot.press("enter")
    await settled(pilot)


async def test_the_facts_and_plots_follow_the_cursor(app):
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(pilot)
        assert "UUID GPU-00000000-0000-0000-0000-000000000000" in seen(app)
        assert "slowed by power cap" in seen(app)
        await pilot.press("down", "down", "down")
        await settled(pilot)
        assert "UUID GPU-00000000-0000-0000-0000-000000000003" in seen(app)
        assert "slowed by n/a" in seen(app)


async def test_the_filter_is_for_the_grid_that_had_the_keys(app):
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(pilot)
        gpus, processes = (
            app.screen.query_one("#gpus", Grid),
            app.screen.query_one("#processes", Grid),
        )
        processes.focus()
        await pilot.press("slash", *"ada", "enter")
        await settled(pilot)
        assert (gpus.row_count, processes.row_count) == (8, 1)
        assert app.focused is processes
        await pilot.press("escape")
        assert processes.row_count == 2
        await pilot.press("escape")
        await settled(pilot)
        assert app.screen.KIND == "fleet"


@pytest.mark.parametrize(("key", "number"), [("y", 15), ("9", 9)])
async def test_a_process_is_ended_after_a_question(app, key, number):
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(pilot)
        await pilot.press("K")
        await settled(pilot)
        assert isinstance(app.screen, ConfirmScreen)
        assert "kill 41812" in seen(app)
        assert "python train.py" in seen(app)
        await pilot.press(key)
        await settled(pilot)
        assert app.feed.client.asked == [("signal", "node-0", 41_812, number)]


@pytest.mark.parametrize("key", ["n", "escape", "enter", "ctrl+c"])
async def test_no_answer_but_yes_changes_anything(app, key):
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(pilot)
        await pilot.press("K")
        await settled(pilot)
        await pilot.press(key)
        await settled(pilot)
        assert app.screen.KIND == "node"
        assert app.feed.client.asked == []


async def test_a_process_whose_pid_may_be_a_strangers_is_let_be(app):
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(pilot)
        app.screen.query_one("#processes", Grid).focus()
        await pilot.press("end", "K")
        await settled(pilot)
        assert app.screen.KIND == "node"
        assert "another container" in notices(app)[-1]


async def test_without_a_process_there_is_nothing_to_end(make_app):
    app = make_app(Fleet())
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(pilot)
        assert "no process uses a GPU here" in seen(app)
        await pilot.press("K")
        await settled(pilot)
        assert notices(app) == ["no process under the cursor"]


async def test_a_host_without_gpus_shows_itself(make_app):
    app = make_app(Fleet(gpus=0))
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot)
        shown = seen(app)
        assert "AMD EPYC 9654" in shown
        assert "disk / 205/879G" in shown
        assert "Memory" in shown
        assert app.focused is app.screen.query_one("#processes")


async def test_processes_come_and_go(app):
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(pilot)
        assert app.screen.query_one("#processes", Grid).row_count == 2
        gone = Fleet(faults={3: "lost"})
        await tell(pilot, gone.detail(0), gone.sample(NOW + 1))
        assert "no process uses a GPU here" in seen(app)
        await pilot.press("K", "c")
