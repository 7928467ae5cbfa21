"""The shim: what torch's launcher starts under it, and what it does when things die."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from llmos.agents.node.task import descent

Script = Callable[[str], str]

TALKS = """
import os, time
print('rank', os.environ['RANK'], 'of', os.environ['WORLD_SIZE'], os.environ['OMP_NUM_THREADS'])
time.sleep(600)
"""

ONE_FAILS = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.environ['RANK'] == '1':
    time.sleep(0.3)
    print('rank 1 gives up', file=sys.stderr)
    sys.exit(7)
time.sleep(600)
"""

WAITS = "import time; time.sleep(600)"


async def test_torchrun_starts_two_ranks_and_stop_leaves_none(node, script: Script):
    await node.submit([script(TALKS)], "torchrun", ranks=2)
    await node.until(lambda: len(node.supervisor.processes()) == 2)
    await node.until(lambda: len(node.supervisor.logs("1")) == 2)
    await node.until(lambda: all(piece.text for piece in node.supervisor.logs("1")))
    threads = max(1, len(os.sched_getaffinity(0)) // 2)
    said = [piece.text for piece in node.supervisor.logs("1")]
    assert said == [f"rank {rank} of 2 {threads}\n" for rank in range(2)]
    await node.supervisor.stop("1")
    record = await node.ended("1")
    assert record.summary.state == "stopped"
    assert [rank.exit_code for rank in node.folder("1").read_state().ranks] == [-15, -15]
    assert node.left_of("1") == []


async def test_the_first_failure_ends_deaf_ranks_without_waiting_for_the_launcher(node, script):
    await node.submit([script(ONE_FAILS)], "torchrun", ranks=2)
    record = await node.ended("1")
    assert record.summary.state == "failed"
    assert record.summary.exit_code == 7
    assert record.summary.cause == "rank 1 ended with exit code 7: rank 1 gives up"
    ranks = node.folder("1").read_state().ranks
    assert {rank.rank: rank.exit_code for rank in ranks} == {0: -9, 1: 7}
    assert node.left_of("1") == []


async def test_ranks_that_die_at_once_keep_their_exit_codes(node, script: Script):
    await node.submit([script("import os; os._exit(5)")], "torchrun", ranks=2)
    record = await node.ended("1")
    assert record.summary.state == "failed"
    assert record.summary.exit_code == 5
    assert record.summary.cause.endswith("ended with exit code 5: it printed nothing")
    state = node.folder("1").read_state()
    assert 5 in [rank.exit_code for rank in state.ranks]
    assert None not in [rank.exit_code for rank in state.ranks]


LASTS = """
import os, time
while not os.path.exists(os.path.join(os.environ['LLMOS_TASK'], 'enough')):
    time.sleep(0.02)
raise SystemExit(int(os.environ['RANK']) * 3)
"""


async def two_ranks(node, script: Script) -> list[int]:
    """Job 1 runs with two ranks; the pids of shim and launcher."""
    await node.submit([script(LASTS)], "torchrun", ranks=2)
    await node.until(lambda: len(node.supervisor.processes()) == 2)
    rank = descent.status(next(iter(node.supervisor.processes())))
    assert rank is not None
    return [node.folder("1").read_state().shim, rank.parent]


@pytest.mark.parametrize("lost", [(0,), (1,), (0, 1), (1, 0)])
async def test_shim_and_launcher_can_be_killed_without_harm(node, script: Script, lost):
    watching = await two_ranks(node, script)
    for which in lost:
        shim = node.folder("1").read_state().shim
        os.kill(watching[which], signal.SIGKILL)
        if which == 0:
            await node.until(lambda: node.folder("1").read_state().shim not in (0, shim))  # noqa: B023
    assert len(node.supervisor.processes()) == 2
    (node.folder("1").path / "enough").touch()
    record = await node.ended("1")
    assert (record.summary.attempt, record.summary.exit_code) == (1, 3)
    ranks = sorted(node.folder("1").read_state().ranks, key=lambda rank: rank.rank)
    assert [rank.exit_code for rank in ranks] == [0, 3]
    assert node.left_of("1") == []


async def test_an_end_that_no_shim_saw_is_known(node, script: Script):
    shim, _ = await two_ranks(node, script)
    (node.folder("1").path / "enough").touch()
    os.kill(shim, signal.SIGKILL)
    record = await node.ended("1")
    assert (record.summary.state, record.summary.exit_code) == ("failed", 3)


@pytest.mark.parametrize("which", [0, 1])
async def test_a_stopped_shim_or_launcher_is_continued(node, script: Script, which: int):
    watching = await two_ranks(node, script)
    os.kill(watching[which], signal.SIGSTOP)
    (node.folder("1").path / "enough").touch()
    record = await node.ended("1")
    assert record.summary.exit_code == 3


async def test_a_stop_reaches_a_task_whose_shim_was_just_killed(node, script: Script):
    shim, _ = await two_ranks(node, script)
    os.kill(shim, signal.SIGKILL)
    await node.supervisor.stop("1")
    assert (await node.ended("1")).summary.state == "stopped"
    assert node.left_of("1") == []


async def test_a_launcher_killed_before_its_ranks_run_costs_no_attempt(node, script: Script):
    once = script("import os, sys; open(sys.argv[1], 'a').write(os.environ['LLMOS_ATTEMPT'])")
    fifo = node.state / "python"
    fifo.write_text(f"""#!/bin/sh
[ "$RANK" = 0 ] && [ "$LLMOS_ATTEMPT" = 1 ] && kill -9 $PPID
exec {sys.executable} "$@"
""")
    fifo.chmod(0o755)
    await node.submit([once, str(node.state / "said")], "torchrun", ranks=2, python=str(fifo))
    record = await node.ended("1")
    assert record.summary.state == "succeeded"
    assert record.summary.attempt in (1, 2)
    assert node.left_of("1") == []


def test_an_order_that_cannot_be_read_is_said(tmp_path):
    subprocess.run([sys.executable, "-m", "llmos.agents.node.task.shim", tmp_path], check=True)
    assert '"state": "failed"' in (tmp_path / "state.json").read_text()
    assert "order.json cannot be read" in (tmp_path / "state.json").read_text()


def test_the_shim_imports_no_more_than_it_needs():
    """It is started once for every task: aiohttp or psutil would cost more than the rest."""
    program = "import sys, llmos.agents.node.task.shim; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    loaded = set(output.stdout.decode().split())
    assert loaded.isdisjoint({"aiohttp", "psutil", "asyncio", "numpy", "torch", "dataclasses"})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
async def test_hangup_and_interrupt_do_not_reach_a_job(node, script: Script, number):
    await node.submit([script("import time; time.sleep(0.4); print('done')")])
    await node.until_state("1", "running")
    os.kill(node.folder("1").read_state().shim, number)
    assert (await node.ended("1")).summary.state == "succeeded"
