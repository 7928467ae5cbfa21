"""The shim: what torch's launcher starts under it, and what it does when things die."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from llmos.agents.node import descent

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


async def test_a_killed_launcher_is_a_failure_and_its_ranks_end(node, script: Script):
    await node.submit([script(WAITS)], "torchrun", ranks=2)
    await node.until(lambda: len(node.supervisor.processes()) == 2)
    rank = descent.status(next(iter(node.supervisor.processes())))
    assert rank is not None
    os.kill(rank.parent, signal.SIGKILL)
    record = await node.ended("1")
    assert record.summary.state == "failed"
    assert record.summary.cause.startswith("the launcher was killed by SIGKILL")
    assert node.left_of("1") == []


async def test_a_killed_shim_is_a_failure_and_what_it_left_is_ended(node, script: Script):
    await node.submit([script(WAITS)])
    await node.until_state("1", "running")
    os.kill(node.folder("1").read_state().shim, signal.SIGKILL)
    record = await node.ended("1")
    assert record.summary.state == "failed"
    assert record.summary.cause.startswith("its shim is gone without a last word; 1 process")
    assert node.left_of("1") == []


def test_an_order_that_cannot_be_read_is_said(tmp_path):
    subprocess.run([sys.executable, "-m", "llmos.agents.node.shim", tmp_path], check=True)
    assert '"state": "failed"' in (tmp_path / "state.json").read_text()
    assert "order.json cannot be read" in (tmp_path / "state.json").read_text()


def test_the_shim_imports_no_more_than_it_needs():
    """It is started once for every task: aiohttp or psutil would cost more than the rest."""
    program = "import sys, llmos.agents.node.shim; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    loaded = set(output.stdout.decode().split())
    assert loaded.isdisjoint({"aiohttp", "psutil", "asyncio", "numpy", "torch", "dataclasses"})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
async def test_hangup_and_interrupt_do_not_reach_a_job(node, script: Script, number):
    await node.submit([script("import time; time.sleep(0.4); print('done')")])
    await node.until_state("1", "running")
    os.kill(node.folder("1").read_state().shim, number)
    assert (await node.ended("1")).summary.state == "succeeded"
