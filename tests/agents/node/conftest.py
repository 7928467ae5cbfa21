"""A supervisor on an empty state folder, and what it publishes."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llmos.agents.node.jobs.occupancy import occupancy
from llmos.agents.node.jobs.supervisor import Supervisor
from llmos.agents.node.task import descent, mark
from llmos.agents.node.task.taskfolder import TaskFolder
from llmos.agents.protocol.facts import GpuFacts
from llmos.agents.protocol.jobs import (
    ENDED,
    JobRecord,
    JobRequest,
    JobSummary,
    Launcher,
    Program,
    Resources,
    Retry,
)
from llmos.agents.records.artifacts import ArtifactRecords
from llmos.agents.records.database import Database
from llmos.agents.records.jobs import JobRecords

if TYPE_CHECKING:
    from llmos.agents.node.jobs.course import Published
    from llmos.agents.protocol.events import Event

PATIENCE = 40.0


class Node:
    """A supervisor that runs, on a state folder that outlives it."""

    def __init__(self, state: Path, gpus: tuple[str, ...] = (), grace: float = 5.0) -> None:
        self.state = state
        self.published: list[Published] = []
        self.events: list[Event] = []
        self.database = Database.open(state)
        self.artifacts = ArtifactRecords(self.database)
        self.supervisor = Supervisor(
            JobRecords(self.database),
            self.artifacts,
            state,
            "node-1",
            store=f"file://{state}/artifacts",
            publish=self.published.append,
            report=self.events.append,
            gpus=lambda: occupancy(
                [GpuFacts(index=row, uuid=uuid) for row, uuid in enumerate(gpus)],
                dict.fromkeys(range(len(gpus)), "ok"),
                [],
                self.supervisor.holders(),
                self.supervisor.course.leases,
            ),
            cores=64,
            grace=grace,
        )
        self._task = asyncio.get_running_loop().create_task(self.supervisor.course.run())

    async def close(self) -> None:
        """End as an agent does: the jobs go on."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self.database.close()

    async def submit(
        self,
        arguments: list[str],
        launcher: Launcher = "plain",
        ranks: int | None = None,
        *,
        after: Sequence[str] = (),
        hold: bool = False,
        retry: Retry = Retry(),  # noqa: B008 — frozen
        inputs: Collection[str] = (),
        **program: Any,
    ) -> JobSummary:
        """Submit a job of the kind `command`."""
        request = JobRequest(
            kind="command",
            name="test",
            program=Program(arguments=arguments, launcher=launcher, **program),
            resources=Resources(ranks=ranks),
            spec={"kind": "command"},
            after=list(after),
            hold=hold,
            retry=retry,
            inputs=dict.fromkeys(inputs),
        )
        return await self.supervisor.submit(request, user="tester")

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 — it tells nobody
                await asyncio.sleep(0.02)

    async def until_state(self, job: str, *states: str) -> JobRecord:
        """Wait for a job to be in a state."""
        await self.until(lambda: self.supervisor.get(job).summary.state in states)
        return self.supervisor.get(job)

    async def ended(self, job: str) -> JobRecord:
        """Wait for the end of a job."""
        return await self.until_state(job, *ENDED)

    def folder(self, job: str, attempt: int = 1) -> TaskFolder:
        """The task folder of an attempt."""
        return TaskFolder(self.state / "run" / job / f"a{attempt}")

    def left_of(self, job: str, attempt: int = 1) -> list[descent.Process]:
        """Living processes that carry the mark of an attempt, other than its shim."""
        return mark.marked(self.folder(job, attempt).path)


@pytest.fixture(autouse=True)
def own_leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPUs of tests are nobody's."""
    monkeypatch.setenv("LLMOS_LEASES", str(tmp_path / "leases"))


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    running = Node(tmp_path)
    yield running
    await running.close()
    end_all_below(tmp_path)


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    """Writes a script; its path."""

    def write(text: str) -> str:
        path = tmp_path / f"script-{len(list(tmp_path.glob('script-*')))}.py"
        path.write_text(text)
        return str(path)

    return write


def end_all_below(state: Path) -> None:
    """End the shims of a state folder and what they own."""
    for folder in state.glob("run/*/a*"):
        state_now = TaskFolder(folder).read_state()
        if state_now is not None and state_now.state in ("starting", "running"):
            shim = descent.Process(state_now.shim, state_now.shim_ticks)
            if descent.status(shim.pid) is not None:
                descent.kill_below(shim.pid)
            descent.send(shim, signal.SIGKILL)
        for process in mark.marked(folder):
            descent.send(process, signal.SIGKILL)


@pytest.fixture
async def late_node(tmp_path: Path) -> AsyncIterator[Callable[..., Node]]:
    """Starts a supervisor on the state folder when called, for what must come before it."""
    started: list[Node] = []

    def start(state: Path = tmp_path, gpus: tuple[str, ...] = ()) -> Node:
        started.append(Node(state, gpus))
        return started[-1]

    yield start
    for running in started:
        await running.close()
        end_all_below(running.state)
