"""What is done to jobs: to all that are marked, after one question, with the equal command line."""

import pytest

from llmos.agents.errors import RequestRefused
from llmos.console.screens.confirm import ConfirmScreen
from llmos.tests.console.fleets import NOW, Fleet, job
from llmos.tests.console.looking import notices, seen, settled
from llmos.tests.console.screens.test_jobs import JobAgent

FLEET = Fleet(
    jobs=(
        job("1", "succeeded", cause="all ranks are done", ended=NOW - 9),
        job("2"),
        job("3", "queued", cause="waiting for 2 GPUs: 1 free"),
        job("4", "queued", held=True, cause="until `llmos release 4`"),
    )
)


@pytest.fixture
def app(make_app):
    app = make_app(FLEET)
    app.feed.client = JobAgent()
    return app


async def at_jobs(pilot, *ids: str) -> None:
    """The list, by id, with the cursor on a job, or some marked."""
    await settled(pilot)
    await pilot.press("2")
    await settled(pilot)
    grid = pilot.app.screen.query_one("#grid")
    grid.set_sort("id", descending=False)
    rows = grid.table.arrange("id", False, "").tolist()
    at = {grid.table.job(row).id: row for row in rows}
    for name in ids:
        grid.cursor = at[name]
        if len(ids) > 1:
            await pilot.press("space")
    await settled(pilot)


async def test_all_that_are_marked_are_stopped_after_one_question(app):
    async with app.run_test(size=(100, 30)) as pilot:
        await at_jobs(pilot, "1", "2", "3")
        await pilot.press("K")
        await settled(pilot)
        shown = seen(app)
        assert "Stop 2 jobs?" in shown
        assert "llmos stop 2 3" in shown
        assert "Left out: job 1 has ended" in shown
        await pilot.press("y")
        await settled(pilot)
        assert app.feed.client.asked == [("stop", "2"), ("stop", "3")]
        assert [job.id for job in app.screen.chosen_jobs()] == ["1"]


async def test_one_key_holds_and_releases(app):
    async with app.run_test(size=(100, 30)) as pilot:
        for ids, line in (
            (("3",), "llmos hold 3"),
            (("4",), "llmos release 4"),
            (("3", "4"), "llmos hold 3 4"),
        ):
            await at_jobs(pilot, *ids)
            await pilot.press("h")
            await settled(pilot)
            assert line in seen(app)
            await pilot.press("y")
            await settled(pilot)
            await pilot.press("1")
        await settled(pilot)
        assert app.feed.client.paths == [
            "POST /v1/jobs/3/hold",
            "POST /v1/jobs/4/release",
            "POST /v1/jobs/3/hold",
            "POST /v1/jobs/4/hold",
        ]


async def test_what_runs_cannot_be_held(app):
    async with app.run_test(size=(100, 30)) as pilot:
        await at_jobs(pilot, "2")
        await pilot.press("h")
        await settled(pilot)
        assert notices(app) == ["job 2 is running: only a job that waits can be held or released"]
        assert app.feed.client.paths == []


async def test_one_that_is_refused_keeps_no_other_from_being_asked(app):
    async def stop(job: str):
        app.feed.client.asked.append(("stop", job))
        raise RequestRefused(f"job {job} is not yours", 403)

    app.feed.client.stop = stop
    async with app.run_test(size=(100, 30)) as pilot:
        await at_jobs(pilot, "2", "3")
        await pilot.press("K", "y")
        await settled(pilot)
        assert app.feed.client.asked == [("stop", "2"), ("stop", "3")]
        assert notices(app) == ["job 2 is not yours", "job 3 is not yours"]


async def test_many_are_cloned_after_one_question(app):
    async with app.run_test(size=(100, 30)) as pilot:
        await at_jobs(pilot, "1", "2")
        await pilot.press("C")
        await settled(pilot)
        await settled(pilot)
        assert isinstance(app.screen, ConfirmScreen)
        assert "Clone 2 jobs?" in seen(app)
        await pilot.press("y")
        await settled(pilot)
        asked = [call for call in app.feed.client.asked if call[0] == "submit"]
        assert asked == [("submit", "train", "train-text")] * 2


async def test_one_is_cloned_by_a_form_with_its_settings(app, monkeypatch):
    from llmos.console.screens import launch

    opened = []
    monkeypatch.setattr(launch, "open_clone", lambda app, request: opened.append(request))
    async with app.run_test(size=(100, 30)) as pilot:
        await at_jobs(pilot, "2")
        await pilot.press("C")
        await settled(pilot)
        assert [(request.name, request.array) for request in opened] == [("train-text", None)]
        assert opened[0].source == "7"  # the record that this agent answers with


async def test_a_restart_that_is_a_new_job_is_opened(app):
    app.feed.client.summary = job("5", "queued")
    async with app.run_test(size=(100, 30)) as pilot:
        await at_jobs(pilot, "1")
        await pilot.press("R")
        await settled(pilot)
        assert "a new job like it" in seen(app)
        await pilot.press("y")
        await settled(pilot)
        assert "Job 5" in seen(app)
