"""The Job screen: its parts, its log of many ranks, its strip of ranks, and how it came there."""

import asyncio

import pytest

from llmos.agents.errors import RequestRefused
from llmos.agents.protocol.events import Event
from llmos.agents.protocol.jobs import (
    AttemptRecord,
    Curve,
    Failure,
    LogLine,
    LogPiece,
    Transition,
)
from llmos.console.messages import LogArrived
from llmos.console.screens.job import JobScreen
from llmos.console.widgets.logtail import JobLog
from llmos.console.widgets.rankstrip import RankStrip
from llmos.tests.console.fleets import NOW, Fleet, job, job_frame
from llmos.tests.console.looking import notices, seen, settled, tell
from llmos.tests.console.screens.test_jobs import JobAgent, measured

SMALL, LARGE = (80, 24), (200, 50)
RANKS = 8


def piece(text: str, rank: int = 0, offset: int = 10) -> LogPiece:
    end = offset + len(text)
    return LogPiece(job="7", attempt=1, rank=rank, offset=offset, end=end, text=text)


@pytest.fixture
def agent() -> JobAgent:
    """Eight ranks that said ten bytes each, of which rank 3 takes twice as long as the others."""
    agent = JobAgent(job("7", ranks=RANKS))
    agent.pieces = [piece("0123456789", rank, 0) for rank in range(RANKS)]
    agent.told_lines = [
        LogLine(time=NOW - 2, ranks=[*range(RANKS)], text="loaded"),
        LogLine(time=NOW - 1, ranks=[3], text="slow disk"),
    ]
    agent.steps = [
        Curve(
            name="dt",
            rank=rank,
            attempt=1,
            times=[NOW - 60 + at for at in range(60)],
            values=[1.0 if rank == 3 else 0.5] * 60,
        )
        for rank in range(RANKS)
    ]
    agent.told = [
        Event(time=NOW - 5, node="n", source="job 7", what="x", text="seven", job="7"),
        Event(time=NOW - 5, node="n", source="job 6", what="x", text="of another", job="6"),
    ]
    killed = Failure(name="killed", time=NOW - 50, rank=3, exit_code=-9, lines=["step 80"])
    agent.attempts = [
        AttemptRecord(attempt=1, state="failed", cause="rank 3 died", failure=killed),
        AttemptRecord(attempt=2, state="running", cause="8 ranks at work", started=NOW - 30),
    ]
    agent.transitions = [Transition(time=NOW - 95, state="queued", cause="submitted by ada")]
    return agent


@pytest.fixture
def app(make_app, agent):
    app = make_app(Fleet(jobs=(agent.summary,)))
    app.feed.client = agent
    return app


async def opened(pilot) -> JobScreen:
    await settled(pilot)
    await pilot.press("2", "enter")
    await settled(pilot)
    await settled(pilot)
    screen = pilot.app.screen
    assert isinstance(screen, JobScreen)
    return screen


def text_of(screen: JobScreen) -> list[str]:
    return [line for line in screen.query_one(JobLog).lines if line]


async def test_a_large_screen_shows_every_part_at_once(app):
    async with app.run_test(size=LARGE) as pilot:
        await opened(pilot)
        app.post_message(measured(1, 2, 3))
        await settled(pilot)
        shown = seen(app)
        for text in ("Loss", "rank 3: 2.0× the median", "[0-7] ×8 loaded", "[3] slow disk"):
            assert text in shown
        for text in ("1 failed: killed", "rank 3 died", "step 80", "seven", "submitted by ada"):
            assert text in shown
        assert "of another" not in shown
        assert "Overview" not in shown


async def test_a_small_screen_shows_a_part_at_a_time(app):
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        assert "[3] slow disk" in seen(app)
        ends = ",".join(f"{rank}:10" for rank in range(RANKS))
        assert app.feed.client.paths == [f"GET /v1/jobs/7/lines?lines=500&fold=1&ends={ends}"]
        await pilot.press("tab")
        await settled(pilot)
        assert "rank 3: 2.0× the median" in seen(app)
        await pilot.press("tab", "tab")
        await settled(pilot)
        assert "submitted by ada" in seen(app)
        assert "slow disk" not in seen(app)
        await pilot.press("tab")
        await settled(pilot)
        assert "rank 3: 2.0×" not in seen(app)
        await pilot.press("shift+tab")
        await settled(pilot)
        assert "submitted by ada" in seen(app)
        bar = seen(app).splitlines()
        at = next(y for y, line in enumerate(bar) if "Overview" in line)
        await pilot.click(offset=(bar[at].index("Ranks"), at))
        await settled(pilot)
        assert "rank 3: 2.0× the median" in seen(app)


async def test_what_follows_is_shown_once_and_by_its_rank(app):
    async with app.run_test(size=SMALL) as pilot:
        screen = await opened(pilot)
        app.post_message(LogArrived([piece("89", 0, 8), piece("next\n", 0), piece("and\n", 5)]))
        await settled(pilot)
        assert text_of(screen) == ["[0-7] ×8 loaded", "[3] slow disk", "[0] next", "[5] and"]


async def test_what_is_printed_while_the_past_is_read_is_not_lost(app, agent):
    asked, may_answer = asyncio.Event(), asyncio.Event()
    answer = agent._ask

    async def slowly(method: str, path: str, form: object) -> object:
        asked.set()
        await may_answer.wait()
        return await answer(method, path, form)

    agent._ask = slowly
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("2", "enter")
        await asked.wait()
        app.post_message(LogArrived([piece("meanwhile\n", 2)]))
        await settled(pilot)
        may_answer.set()
        await settled(pilot)
        await settled(pilot)
        assert text_of(app.screen)[-2:] == ["[3] slow disk", "[2] meanwhile"]


async def test_a_job_that_changes_while_its_past_is_read_still_shows_its_log(app, agent):
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def slowly(job: str, points: int = 500, rank: int = 0) -> list[Curve]:
        asked.set()
        await may_answer.wait()
        return []

    agent.series = slowly
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("2", "enter")
        await asked.wait()
        agent.summary = job("7", "starting", ranks=RANKS)
        await tell(pilot, job_frame(agent.summary))
        may_answer.set()
        await settled(pilot)
        await settled(pilot)
        assert text_of(app.screen) == ["[0-7] ×8 loaded", "[3] slow disk"]


async def test_an_agent_that_cannot_merge_still_shows_the_logs(app, agent):
    async def refused(method: str, path: str, form: object) -> object:
        raise RequestRefused("no such route", 404)

    agent._ask = refused
    agent.pieces = [piece("by itself\n", rank, 0) for rank in (0, 1)]
    async with app.run_test(size=SMALL) as pilot:
        screen = await opened(pilot)
        assert text_of(screen) == ["[0] by itself", "[1] by itself"]


async def test_the_log_is_searched_by_the_agent_and_what_follows_here(app, agent):
    async with app.run_test(size=SMALL) as pilot:
        screen = await opened(pilot)
        agent.told_lines = agent.told_lines[1:]
        await pilot.press("slash", *"disk", "enter")
        await pilot.pause(0.4)
        await settled(pilot)
        assert "&search=disk&" in agent.paths[-1]
        assert "Job 7 /disk" in seen(app)
        app.post_message(LogArrived([piece("a disk\nno match\nDIS", 1), piece("K\n", 1, 29)]))
        await settled(pilot)
        assert text_of(screen) == ["[3] slow disk", "[1] a disk", "[1] DISK"]
        await pilot.press("escape")
        await settled(pilot)
        assert "search" not in agent.paths[-1]
        assert app.screen is screen
        await pilot.press("escape")
        await settled(pilot)
        assert app.screen.KIND == "jobs"


async def test_only_some_ranks(app, agent):
    async with app.run_test(size=SMALL) as pilot:
        screen = await opened(pilot)
        await pilot.press("r", *"2-9", "enter")
        await settled(pilot)
        assert notices(app) == ["ranks: there is no rank 8, but 0-7"]
        agent.told_lines = []
        await pilot.press("backspace", "4", "enter")
        await settled(pilot)
        assert "&ranks=2,3,4&" in agent.paths[-1]
        assert "Job 7 ranks 2-4" in seen(app)
        app.post_message(LogArrived([piece("no\n", 1), piece("yes\n", 4)]))
        await settled(pilot)
        assert text_of(screen) == ["[4] yes"]
        await pilot.press("r", "escape")
        await settled(pilot)
        assert "ranks=" not in agent.paths[-1]


async def test_step_times_are_asked_for_only_while_they_are_shown(app, agent):
    def asked() -> int:
        return sum("name=dt" in path for path in agent.paths)

    def running(screen: JobScreen) -> bool:
        timer = screen._ranks._timer
        return timer is not None and timer._active.is_set()

    async with app.run_test(size=SMALL) as pilot:
        screen = await opened(pilot)
        assert asked() == 0
        assert not running(screen)
        await pilot.press("tab")
        await settled(pilot)
        assert asked() == 1
        assert running(screen)
        await pilot.press("question_mark")
        await settled(pilot)
        assert not running(screen)
        await pilot.press("escape")
        await settled(pilot)
        assert running(screen)
        await tell(pilot, job_frame(job("7", "succeeded", ranks=RANKS, ended=NOW)))
        screen._ranks.look()
        screen._ranks.look()
        await settled(pilot)
        assert asked() == 2


async def test_one_rank_has_no_strip(make_app, agent):
    agent.summary = job("7", ranks=1)
    agent.pieces = [piece("alone\n", 0, 0)]
    app = make_app(Fleet(jobs=(agent.summary,)))
    app.feed.client = agent
    async with app.run_test(size=LARGE) as pilot:
        screen = await opened(pilot)
        assert not screen.query_one(RankStrip).display
        assert agent.paths == []
        assert text_of(screen) == ["alone"]
        await pilot.resize_terminal(*SMALL)
        await settled(pilot)
        assert "Ranks" not in seen(app)
        await pilot.press("r")
        await settled(pilot)
        assert notices(app) == ["this job has one rank"]


async def test_parts_come_and_go_with_the_size(app):
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        await pilot.resize_terminal(*LARGE)
        await settled(pilot)
        await settled(pilot)
        assert "submitted by ada" in seen(app)
        assert "the median" in seen(app)
        await pilot.press("l")
        await settled(pilot)
        assert "submitted by ada" not in seen(app)
        assert "slow disk" in seen(app)
