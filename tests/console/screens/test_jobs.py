"""Jobs and Job: what was asked for, how it goes, what it says, and how it ends."""

from typing import TYPE_CHECKING, Any

import pytest
from textual.widgets import Log

from llmos.agents.protocol.events import Event
from llmos.agents.protocol.jobs import (
    AttemptRecord,
    Curve,
    JobRecord,
    JobSummary,
    LogLine,
    LogPiece,
    Metric,
    Progress,
    RankStacks,
    Transition,
)
from llmos.console.jobcurves import JobCurves
from llmos.console.messages import LogArrived, MetricsArrived
from llmos.console.screens.confirm import ConfirmScreen
from llmos.tests.console.fleets import NOW, Fleet, job, job_frame
from llmos.tests.console.looking import Agent, notices, seen, settled, tell

CAUSE = "rank 1 exited with 1: RuntimeError: CUDA out of memory, tried to allocate 2.4 GiB on GPU 1"
RESULTS = {
    "held_out_perplexity": 41.234567,
    "bigram_perplexity": 88.0,
    "sample": "The type\nof a class is " + "very " * 40,
}

if TYPE_CHECKING:
    from collections.abc import Callable


class JobAgent(Agent):
    """Answers every question that is asked of jobs, by the paths of the real API."""

    def __init__(self, summary: JobSummary | None = None) -> None:
        super().__init__(summary)
        self.told_lines: list[LogLine] = []
        self.steps: list[Curve] = []
        self.told_stacks: list[RankStacks] = []
        self.told: list[Event] = []
        self.attempts: list[AttemptRecord] = []
        self.transitions: list[Transition] = []
        self.paths: list[str] = []
        """What was asked of the routes that the client has no method for."""

    async def job(self, job: str) -> JobRecord:
        record = await super().job(job)
        record.attempts, record.transitions = self.attempts, self.transitions
        return record

    async def events(self, last: int = 100) -> list[Event]:
        return self.told

    async def _ask(self, method: str, path: str, form: Any, content: object = None) -> Any:
        self.paths.append(f"{method} {path}")
        route = path.partition("?")[0].rpartition("/")[2]
        answers: dict[str, Callable[[], object]] = {
            "lines": lambda: self.told_lines,
            "series": lambda: self.steps,
            "stacks": lambda: self.told_stacks,
            "hold": lambda: self.summary,
            "release": lambda: self.summary,
        }
        return answers[route]()


@pytest.fixture
def app(make_app):
    app = make_app(Fleet(jobs=(job("7"), job("6", "failed", cause=CAUSE, ended=NOW - 9))))
    app.feed.client = JobAgent()
    return app


def printed(text: str, offset: int = 0, attempt: int = 1) -> LogArrived:
    end = offset + len(text)
    return LogArrived(
        [LogPiece(job="7", attempt=attempt, rank=0, offset=offset, end=end, text=text)]
    )


def measured(*steps: int, attempt: int = 1) -> MetricsArrived:
    values = {"loss": 4.0, "tokens": 100, "dt": 0.1}
    metrics = [
        Metric(job="7", attempt=attempt, rank=0, values={"step": step, **values}) for step in steps
    ]
    return MetricsArrived(metrics)


async def opened(pilot) -> None:
    await settled(pilot)
    await pilot.press("2", "enter")
    await settled(pilot)


async def test_jobs_are_listed_and_opened(app):
    async with app.run_test(size=(100, 24)) as pilot:
        await settled(pilot)
        await pilot.press("2")
        await settled(pilot)
        assert "120/300" in seen(app)
        await pilot.press("slash", *"failed", "enter", "enter")
        await settled(pilot)
        assert "Job 6" in seen(app)
        await pilot.press("escape", "escape", "escape")
        await settled(pilot)
        assert app.screen.KIND == "fleet"


async def test_going_to_jobs_again_and_again_piles_up_no_screens(app):
    async with app.run_test(size=(100, 24)) as pilot:
        await opened(pilot)
        for _ in range(3):
            await pilot.press("2", "enter")
            await settled(pilot)
        assert len(app.screen_stack) == 3


async def test_no_job_yet(make_app):
    app = make_app(Fleet())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("2", "enter", "K", "R", "c")
        await settled(pilot)
        assert "no job yet: n starts one" in seen(app)


async def test_a_change_of_state_is_seen_at_once_and_the_end_with_its_results(app):
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        assert "running" in seen(app)
        ended = job("7", "succeeded", cause="all ranks are done", ended=NOW)
        app.feed.client.summary = ended
        app.feed.client.results = RESULTS
        asked = len(app.feed.client.asked)
        await tell(pilot, job_frame(ended))
        await settled(pilot)
        shown = seen(app)
        assert "succeeded" in shown
        assert "held out perplexity  41.23" in shown
        assert "bigram perplexity    88" in shown
        assert "sample               The type of a class is very" in shown
        assert all(len(line) <= 80 for line in shown.splitlines())
        await tell(pilot, job_frame(ended))
        await tell(pilot, job_frame(ended))
        assert len(app.feed.client.asked) == asked + 1


async def test_a_long_cause_is_cut_with_a_mark(app):
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("2", "down", "enter")
        await settled(pilot)
        assert any(line.rstrip().endswith("…") and "rank 1 exited" in line
                   for line in seen(app).splitlines())  # fmt: skip


async def test_curves_are_shown_once_there_are_some(app):
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot)
        assert not app.screen.query_one("#curves").display
        app.post_message(measured(1, 2, 3))
        await settled(pilot)
        assert "Loss" in seen(app)
        assert "Throughput" in seen(app)
        await pilot.press("l")
        await settled(pilot)
        assert not app.screen.query_one("#curves").display


async def test_the_log_follows_its_end_unless_one_reads_above(app):
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        lines = "".join(f"line {at:03}\n" for at in range(100))
        app.post_message(printed(lines))
        await settled(pilot)
        assert "[0] line 099" in seen(app)
        await pilot.press("home")
        await settled(pilot)
        app.post_message(printed("the end\n", len(lines)))
        await settled(pilot)
        assert "[0] line 000" in seen(app)
        await pilot.press("end")
        await settled(pilot)
        assert "[0] the end" in seen(app)


async def test_what_another_attempt_says_is_left_out(app):
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        app.post_message(printed("from the past\n", attempt=0))
        app.post_message(measured(1, 2, attempt=2))
        await settled(pilot)
        assert app.screen.query_one("#log", Log).line_count == 0
        assert not app.screen.query_one("#curves").display


async def test_a_new_attempt_starts_a_new_page(app):
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        app.post_message(printed("first attempt\n"))
        await settled(pilot)
        again = job("7", attempt=2, progress=Progress())
        app.feed.client.summary = again
        await tell(pilot, job_frame(again))
        await settled(pilot)
        assert "first attempt" not in seen(app)
        app.post_message(printed("second attempt\n", attempt=2))
        await settled(pilot)
        assert "second attempt" in seen(app)


@pytest.mark.parametrize(("key", "verb"), [("K", "stop"), ("R", "restart")])
@pytest.mark.parametrize("answer", ["y", "n", "escape", "enter"])
async def test_stop_and_restart_ask_first(app, key, verb, answer):
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("2", key)
        await settled(pilot)
        assert isinstance(app.screen, ConfirmScreen)
        assert f"llmos {verb} 7" in seen(app)
        await pilot.press(answer)
        await settled(pilot)
        assert app.feed.client.asked == ([(verb, "7")] if answer == "y" else [])


async def test_an_ended_job_cannot_be_stopped(app):
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("2", "down", "K")
        await settled(pilot)
        assert "job 6 has ended" in notices(app)[-1]


async def test_before_the_agent_answers_nothing_is_asked_in_vain(make_app):
    app = make_app(Fleet(jobs=(job("7"),)))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("2", "K", "y")
        await settled(pilot)
        assert notices(app) == ["the agent has not answered yet; wait a moment"]


async def test_numbers_are_taken_once(app, monkeypatch):
    taken = []
    monkeypatch.setattr(JobCurves, "add", lambda curves, metrics: taken.append(metrics))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        app.post_message(measured(1, 2))
        await settled(pilot)
        assert len(taken) == 1


WAITING = "waiting for 2 GPUs: 1 free, 1 held by pid 812, uid 1004"
ARRAY = tuple(
    job(str(at), "queued", name=f"rate {at}", array="rates", cause=WAITING, created=NOW - 50 + at)
    for at in (21, 22, 23)
)
QUEUE = Fleet(
    jobs=(
        job("7"),
        job("6", "failed", cause=CAUSE, failure="out of GPU memory", ended=NOW - 9),
        *ARRAY,
        job("30", "queued", held=True, cause="until released", priority=5, after=["7"]),
    )
)


@pytest.fixture
def queue(make_app):
    app = make_app(QUEUE)
    app.feed.client = JobAgent()
    return app


async def test_each_row_says_why_it_waits_or_what_it_failed_of(queue):
    async with queue.run_test(size=(200, 24)) as pilot:
        await settled(pilot)
        await pilot.press("2")
        await settled(pilot)
        shown = seen(queue)
        assert WAITING in shown
        assert "out of GPU memory: rank 1 exited" in shown
        assert "held: until released" in shown
        held = next(line for line in shown.splitlines() if "until released" in line).split()
        assert held[:5] == ["30", "train-text", "train", "○", "held"]
        assert held[-6:-3] == ["5", "7", "1m30s"]
        assert "rates 2/3" in shown


async def test_a_narrow_screen_still_says_why(queue):
    async with queue.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("2")
        await settled(pilot)
        assert "waiting for 2 GPUs" in seen(queue)
        assert "out of GPU memory" in seen(queue)


async def test_columns_come_with_the_first_job_that_needs_them(app):
    async with app.run_test(size=(200, 24)) as pilot:
        await settled(pilot)
        await pilot.press("2")
        await settled(pilot)
        assert "PRIO" not in seen(app)
        await tell(pilot, job_frame(job("8", "queued", priority=3)))
        assert "PRIO" in seen(app)


async def marked(pilot, *keys: str) -> list[str]:
    await pilot.press(*keys)
    await settled(pilot)
    return [job.id for job in pilot.app.screen.chosen_jobs()]


async def test_marks_and_ranges_and_arrays(queue):
    async with queue.run_test(size=(100, 24)) as pilot:
        await settled(pilot)
        await pilot.press("2")
        await settled(pilot)
        queue.screen.query_one("#grid").set_sort("id", descending=False)
        await settled(pilot)
        assert await marked(pilot, "home", "space") == ["6"]
        assert await marked(pilot, "down", "down", "ctrl+at") == ["6", "7", "21", "22"]
        assert "(4 marked)" in seen(queue)
        assert await marked(pilot, "home", "space") == ["7", "21", "22"]
        assert await marked(pilot, "escape", "end", "a") == ["30"]
        assert "not part of an array" in notices(queue)[-1]
        assert await marked(pilot, "up", "a") == ["21", "22", "23"]
        await pilot.press("escape")
        assert queue.screen.KIND == "jobs"
        await pilot.press("escape")
        assert queue.screen.KIND == "fleet"
