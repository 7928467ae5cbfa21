"""Pictures of the screens, compared with those that a person has looked at.

`pytest tests/console/test_snapshots.py --snapshot-update` takes them again; look at each.
"""

import math

import pytest

from llmos.agents.protocol.jobs import LogPiece, Metric
from llmos.console import themes
from llmos.console.messages import LogArrived, MetricsArrived
from llmos.tests.console.fleets import NOW, STRANGER, TRAINER, Fleet, job
from llmos.tests.console.looking import Agent, settled

FAILED = job(
    "6",
    "failed",
    name="reviews",
    cause="rank 1 exited with 1: RuntimeError: CUDA out of memory",
    created=NOW - 900,
    started=NOW - 890,
    ended=NOW - 500,
)
FLEET = Fleet(
    faults={3: "lost", 5: "hot"},
    samples=600,
    jobs=(job("7"), FAILED),
    processes=(TRAINER, STRANGER),
)
SMALL, LARGE = (80, 24), (200, 50)
RESULTS = {"held_out_perplexity": 41.23, "bigram_perplexity": 88.1, "unigram_perplexity": 301.7}


@pytest.fixture
def taken(make_app, snap_compare):
    """Whether a picture, taken after some keys, is the one that was looked at."""

    def compare(size, keys=(), theme="dark", fleet=FLEET, agent=None, after=()):
        app = make_app(fleet, theme)
        app.feed.client = agent
        app.feed.store.heard = math.inf  # however long the picture takes

        async def lead_to_it(pilot):
            await settled(pilot)
            for key in keys:
                await pilot.press(key)
                await settled(pilot)
            for message in after:
                app.post_message(message)
            await settled(pilot)

        return snap_compare(app, terminal_size=size, run_before=lead_to_it)

    return compare


@pytest.mark.parametrize("theme", themes.NAMES)
@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "200x50"])
def test_fleet(taken, theme, size):
    assert taken(size, theme=theme)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "200x50"])
def test_node(taken, size):
    assert taken(size, ["enter"])


def test_host_without_gpus(taken):
    assert taken(SMALL, fleet=Fleet(gpus=0, samples=300))


def test_jobs(taken):
    assert taken((120, 24), ["2"])


def test_job(taken):
    """A job at its end: curves, results, and the tail of its log."""
    agent = Agent(job("7", "succeeded", cause="all ranks are done", ended=NOW - 2))
    agent.results |= RESULTS
    fleet = Fleet(jobs=(agent.summary,))
    metrics = [
        Metric(
            job="7",
            attempt=1,
            rank=0,
            values={"step": step, "loss": 2 + 60 / (step + 10), "tokens": 9_000 + step, "dt": 0.5},
        )
        for step in range(300)
    ]
    text = "".join(f"step {step}  loss {2 + 60 / (step + 10):.3f}\n" for step in range(300))
    piece = LogPiece(job="7", attempt=1, rank=0, offset=0, end=len(text), text=text)
    after = [MetricsArrived(metrics), LogArrived([piece])]
    assert taken(SMALL, ["2", "enter"], fleet=fleet, agent=agent, after=after)


@pytest.mark.parametrize(("screen", "key"), [("help", "question_mark"), ("launch", "n")])
def test_dialogue(taken, screen, key):
    assert taken(SMALL, [key])


def test_confirm(taken):
    assert taken(SMALL, ["enter", "K"])
