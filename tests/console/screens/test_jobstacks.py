"""Stacks on the screen: asked for, asked again, copied."""

import pytest

from llmos.agents.errors import RequestRefused
from llmos.agents.protocol.jobs import RankStacks
from llmos.console.screens.stacks import StacksScreen
from llmos.tests.console.fleets import Fleet, job
from llmos.tests.console.looking import notices, seen, settled
from llmos.tests.console.screens.test_jobs import JobAgent

AT = 'Thread 0x00007f3a{:08x} (most recent call first):\n  File "train.py", line {} in step'


def stacks(rank: int, line: int = 88, state: str = "sleeping") -> RankStacks:
    text = AT.format(rank, line)
    return RankStacks(rank=rank, pid=100 + rank, state=state, method="faulthandler", text=text)


@pytest.fixture
def app(make_app):
    agent = JobAgent()
    agent.told_stacks = [stacks(0), stacks(1)]
    app = make_app(Fleet(jobs=(agent.summary, job("8", "queued", attempt=0))))
    app.feed.client = agent
    return app


async def test_stacks_are_shown_asked_again_and_copied(app):
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("2", "enter")
        await settled(pilot)
        await pilot.press("t")
        await settled(pilot)
        assert isinstance(app.screen, StacksScreen)
        assert "ranks 0-1 ×2" in seen(app)
        app.feed.client.told_stacks = [stacks(0), stacks(1, line=7)]
        await pilot.press("t")
        await settled(pilot)
        assert "rank 1 · pid 101" in seen(app)
        await pilot.press("c")
        assert "line 7 in step" in app.clipboard
        assert app.feed.client.paths.count("POST /v1/jobs/7/stacks") == 2
        await pilot.press("escape")
        await settled(pilot)
        assert "Log" in seen(app)


async def test_of_a_job_that_does_not_run_nothing_is_asked(app):
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("2")
        await settled(pilot)
        app.screen.query_one("#grid").set_filter("queued")
        await pilot.press("t")
        await settled(pilot)
        assert notices(app) == ["job 8 is queued: no rank runs"]
        assert app.feed.client.paths == []


async def test_an_agent_that_refuses_is_told_of(app):
    async def refused(method: str, path: str, form: object) -> object:
        raise RequestRefused("stacks: not your job", 403)

    app.feed.client._ask = refused
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("2")
        app.screen.query_one("#grid").set_filter("running")
        await pilot.press("t")
        await settled(pilot)
        assert notices(app) == ["stacks: not your job"]
        assert "t asks again" in seen(app)
