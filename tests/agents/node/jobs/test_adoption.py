"""The agent goes, the job stays, and the next agent finds it."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from llmos.agents.node.task import descent, launcher
from llmos.agents.node.task.taskfolder import TaskFolder

Script = Callable[[str], str]

AGENT = """
import asyncio, sys
from pathlib import Path
from llmos.agents.node.jobs.supervisor import Supervisor
from llmos.agents.protocol.jobs import JobRequest, Program
from llmos.agents.records.artifacts import ArtifactRecords
from llmos.agents.records.database import Database
from llmos.agents.records.jobs import JobRecords

async def main(state, script):
    database = Database.open(state)
    records, artifacts = JobRecords(database), ArtifactRecords(database)
    supervisor = Supervisor(records, artifacts, state, "node-1", publish=lambda item: None)
    course = asyncio.create_task(supervisor.course.run())
    program = Program(arguments=[script], launcher="plain")
    await supervisor.submit(JobRequest(kind="command", name="kept", program=program), user="u")
    while supervisor.get("1").summary.state != "running":
        await asyncio.sleep(0.02)
    print("running", flush=True)
    await course

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""

GOES_ON = """
import os, time
while not os.path.exists(os.path.join(os.environ['LLMOS_TASK'], 'enough')):
    time.sleep(0.02)
print('to the end')
"""


@pytest.fixture
async def killed_agent(tmp_path: Path, script: Script):
    """An agent that started job 1 and was then killed."""
    agent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", AGENT, tmp_path, script(GOES_ON), stdout=asyncio.subprocess.PIPE
    )
    assert agent.stdout is not None
    assert await agent.stdout.readline() == b"running\n"
    agent.kill()
    await agent.wait()


async def test_a_job_outlives_its_agent_and_is_adopted(killed_agent, node):
    await node.until(lambda: len(node.supervisor.processes()) == 1)
    assert node.supervisor.running
    (node.folder("1").path / "enough").touch()
    record = await node.ended("1")
    assert record.summary.state == "succeeded"
    states = [transition.state for transition in record.transitions]
    assert states == ["queued", "starting", "running", "succeeded"]
    assert node.supervisor.logs("1")[0].text == "to the end\n"


async def test_an_adopted_job_is_stopped_like_any_other(killed_agent, node):
    await node.until(lambda: len(node.supervisor.processes()) == 1)
    await node.supervisor.stop("1")
    assert (await node.ended("1")).summary.state == "stopped"
    assert node.left_of("1") == []


async def test_a_job_is_stopped_before_its_shim_is_found(killed_agent, late_node):
    node = late_node()
    node.supervisor.course.adopt()
    await node.supervisor.stop("1")
    assert (await node.ended("1")).summary.state == "stopped"


async def test_an_end_that_no_agent_saw_is_read_from_the_task_folder(
    killed_agent, tmp_path: Path, late_node
):
    folder = tmp_path / "run" / "1" / "a1"
    (folder / "enough").touch()
    shim = descent.status(_shim(folder))
    assert shim is not None
    async with asyncio.timeout(20):
        while descent.living(shim.process):  # noqa: ASYNC110 — it tells nobody
            await asyncio.sleep(0.02)
    node = late_node()
    record = await node.ended("1")
    assert record.summary.state == "succeeded"
    assert record.summary.ended == node.folder("1").read_state().time


async def test_a_shim_that_died_unseen_is_followed_by_another(
    killed_agent, tmp_path: Path, late_node
):
    folder = tmp_path / "run" / "1" / "a1"
    os.kill(_shim(folder), signal.SIGKILL)
    node = late_node()
    await node.until(lambda: len(node.supervisor.processes()) == 1)
    (folder / "enough").touch()
    assert (await node.ended("1")).summary.state == "succeeded"
    assert node.left_of("1") == []


def _lose(folder: Path) -> None:
    """Shim and launcher, and what the launcher said, as on a full disk."""
    said = launcher.said_in((folder / "launcher.jsonl").read_bytes())
    owners = [_shim(folder), next(line.pid for line in said if line.what == "launcher")]
    for pid in owners:
        os.kill(pid, signal.SIGKILL)
    (folder / "launcher.jsonl").unlink()


async def test_ranks_go_on_of_which_only_a_lost_shim_s_state_tells(
    killed_agent, tmp_path: Path, late_node
):
    folder = tmp_path / "run" / "1" / "a1"
    _lose(folder)
    node = late_node()
    await node.until(lambda: len(node.supervisor.processes()) == 1)
    (folder / "enough").touch()
    assert (await node.ended("1")).summary.state == "succeeded"
    assert node.left_of("1") == []


async def test_ranks_that_nobody_noted_are_ended_before_others_start(
    killed_agent, tmp_path: Path, late_node
):
    folder = TaskFolder(tmp_path / "run" / "1" / "a1")
    _lose(folder.path)
    state = folder.read_state()
    assert state is not None
    (lost,) = state.ranks
    state.state, state.ranks = "starting", []
    folder.state.write_bytes(msgspec.json.encode(state))
    node = late_node()
    await node.until(lambda: len(node.supervisor.processes()) == 1)
    assert not descent.living(descent.Process(lost.pid, lost.ticks))
    (folder.path / "enough").touch()
    assert (await node.ended("1")).summary.state == "succeeded"
    assert node.left_of("1") == []


async def test_a_job_that_waited_is_found_again(tmp_path: Path, late_node, script: Script):
    first = late_node()
    await first.submit([script("print('here')")], hold=True, environment={"A_TOKEN": "sesame"})
    await first.close()
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"records.sqlite{suffix}").unlink(missing_ok=True)
    node = late_node()
    await node.until(lambda: node.supervisor.list() != [])
    assert node.supervisor.get("1").summary.held
    await node.supervisor.release("1")
    assert (await node.ended("1")).summary.state == "succeeded"


async def test_lost_records_are_rebuilt_from_the_task_folders(
    killed_agent, tmp_path: Path, late_node
):
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"records.sqlite{suffix}").unlink()
    node = late_node()
    node.supervisor.course.adopt()
    record = await node.until_state("1", "running")
    assert (record.summary.name, record.summary.user) == ("kept", "u")
    await node.submit([str(tmp_path / "script-0.py")])
    assert [summary.id for summary in node.supervisor.list()] == ["2", "1"]
    for job in ("1", "2"):
        await node.supervisor.stop(job)
        assert (await node.ended(job)).summary.state == "stopped"


async def test_a_job_without_a_task_folder_is_a_failure(killed_agent, tmp_path: Path, late_node):
    order = tmp_path / "run" / "1" / "a1" / "order.json"
    text = order.read_bytes()
    order.unlink()
    (tmp_path / "run" / "1" / "request.json").unlink()
    node = late_node()
    record = await node.ended("1")
    assert record.summary.cause.startswith("its task folder is gone")
    order.write_bytes(text)


async def test_a_pid_used_again_is_not_taken_for_the_shim(killed_agent, tmp_path: Path, late_node):
    folder = tmp_path / "run" / "1" / "a1"
    text = (folder / "state.json").read_text()
    shim = _shim(folder)
    os.kill(shim, signal.SIGKILL)
    (folder / "state.json").write_text(text.replace(f'"shim": {shim}', f'"shim": {os.getpid()}'))
    node = late_node()
    await node.until(lambda: _shim(folder) not in (shim, os.getpid()))
    (folder / "enough").touch()
    assert (await node.ended("1")).summary.state == "succeeded"
    assert descent.status(os.getpid()) is not None


def _shim(folder: Path) -> int:
    state = TaskFolder(folder).read_state()
    assert state is not None
    return state.shim
