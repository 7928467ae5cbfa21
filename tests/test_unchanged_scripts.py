"""Training scripts that know nothing of llmos, run as they stand: curves, stop, restart."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from llmos.agents.fleet.address import unix
from llmos.agents.fleet.client import Client
from llmos.agents.node.task import descent
from llmos.agents.node.task.taskfolder import TaskFolder

if TYPE_CHECKING:
    from llmos.tests.conftest import FrontDoor

SCRIPTS = Path(__file__).with_name("unchanged")
PATIENCE = 120.0
"""Seconds until what is waited for counts as missing; nothing here measures a time."""


class Script(NamedTuple):
    """A script, and what a person knows of it who starts it."""

    path: Path
    steps: str
    """The option that says how many there are, up to its value."""

    pattern: str
    """Finds the loss in what it prints."""

    def words(self, steps: int) -> list[str]:
        """How it is started for so many steps."""
        option, equals, _ = self.steps.partition("=")
        value = [f"{option}={steps}"] if equals else [option, str(steps)]
        start = ["--ranks", "2", "--gpus", "0", "--step-regex", self.pattern]
        return [*start, "--", str(self.path), *value]


DDP = Script(SCRIPTS / "train_ddp.py", "--max_iters=", r"iter (?P<step>\d+): loss (?P<loss>[\d.]+)")
TRAINER = Script(
    SCRIPTS / "train_trainer.py",
    "--max-steps",
    r"'loss': '?(?P<loss>[\d.]+).*'epoch': '?(?P<epoch>[\d.]+)",
)
LONG = 10_000_000
"""Steps that nobody waits for the end of."""


@pytest.fixture(params=[DDP, TRAINER], ids=["DDP", "Trainer"])
def script(request: pytest.FixtureRequest) -> Script:
    found: Script = request.param
    return found


@pytest.fixture
def until_printed(llmos: "FrontDoor") -> Callable[[str, str], None]:
    """Waits until the first rank of a job has printed a text."""

    def wait(job: str, text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        said = ""
        while time.monotonic() < deadline:
            said = llmos("logs", job, "--rank", "0")
            if text in said:
                return
            time.sleep(0.2)
        pytest.fail(f"job {job} never printed {text!r}: {said}")

    return wait


@pytest.fixture
def until_state(llmos: "FrontDoor") -> Callable[[str, str], dict[str, Any]]:
    """Waits for a job to be in a state; what is known of it then."""

    def wait(job: str, state: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        found: dict[str, Any] = {}
        while time.monotonic() < deadline:
            found = json.loads(llmos("job", job, "--json"))["job"]
            if found["summary"]["state"] == state:
                return found
            time.sleep(0.1)
        pytest.fail(f"job {job} is never {state}: {found['summary']}")

    return wait


async def test_it_runs_to_its_end_and_its_loss_becomes_a_curve(
    llmos: "FrontDoor", script: Script
) -> None:
    process = llmos.start("run", *script.words(steps=40))
    printed, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert "loss" in printed

    async with Client(unix(llmos.state / "agent.sock")) as client:
        curves = {curve.name: curve for curve in await client.series("1")}
        progress = (await client.job("1")).summary.progress
    loss = curves["loss"]
    assert loss.source == "log"
    assert len(loss.values) >= 5
    assert min(loss.values[1:]) < loss.values[0]
    assert progress.loss == loss.values[-1]
    if script is DDP:
        assert loss.steps == [0, 10, 20, 30, 40]
        assert progress.step == 40
    else:
        epochs = curves["epoch"].values
        assert len(epochs) == len(loss.values)
        assert epochs == sorted(epochs)


def test_it_stops_when_asked_and_starts_again(
    llmos: "FrontDoor",
    script: Script,
    until_printed: Callable[[str, str], None],
    until_state: Callable[[str, str], dict[str, Any]],
) -> None:
    job = llmos("submit", *script.words(LONG)).strip()
    until_printed(job, "loss")
    llmos("stop", job)
    stopped = until_state(job, "stopped")
    assert stopped["summary"]["cause"] == "stopped as asked"
    assert [descent.living(rank) for rank in _ranks(stopped)] == [False, False]

    llmos("restart", job)
    until_printed("2", "loss")
    assert until_state("2", "running")["request"]["source"] == job
    llmos("stop", "2")
    until_state("2", "stopped")


def _ranks(record: dict[str, Any]) -> list[descent.Process]:
    state = TaskFolder(Path(record["folder"])).read_state()
    assert state is not None
    return [descent.Process(rank.pid, rank.ticks) for rank in state.ranks]
