"""Warm launches: ranks forked from a process that has imported torch."""

import os
import signal
from collections.abc import Callable

import pytest

from llmos.agents.node.jobs.warmpool import can_be_warm
from llmos.agents.node.task import descent
from llmos.agents.protocol.jobs import Program

Script = Callable[[str], str]

GROUP = """
import os, sys, time
assert 'torch' in sys.modules, 'a cold rank'
import torch, torch.distributed as dist
dist.init_process_group('gloo')
total = torch.ones(1) * (dist.get_rank() + 1)
dist.all_reduce(total)
print(__name__, sys.argv[1:], os.getcwd() == os.environ['WHERE'], torch.get_num_threads(),
      int(total.item()), sys.path[0] == os.path.dirname(os.path.abspath(__file__)))
dist.destroy_process_group()
"""

WAITS = """
import os, sys, time
assert 'torch' in sys.modules, 'a cold rank'
while not os.path.exists(os.path.join(os.environ['LLMOS_TASK'], 'enough')):
    time.sleep(0.02)
"""


async def test_warm_ranks_are_like_any_other(node, script: Script):
    pytest.importorskip("torch")
    program = script(GROUP)
    where = {"WHERE": str(node.state), "OMP_NUM_THREADS": "3"}
    for job in ("1", "2"):
        await node.submit(
            [program, "--lr", "1"],
            "torchrun",
            ranks=2,
            warm=True,
            folder=str(node.state),
            environment=where,
        )
        record = await node.ended(job)
        assert record.summary.state == "succeeded", record.summary.cause
        said = [piece.text for piece in node.supervisor.logs(job)]
        assert said == ["__main__ ['--lr', '1'] True 3 3 True\n"] * 2
        assert node.left_of(job) == []


@pytest.mark.parametrize(
    ("program", "code", "exception"),
    [
        ("raise ValueError('boo')", 1, "ValueError: boo"),
        ("import sys; sys.exit(7)", 7, None),
        ("import sys; sys.exit('words')", 1, None),
        ("import os; os._exit(9)", 9, None),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15, None),
    ],
)
async def test_a_warm_rank_ends_as_python_does(
    node, script: Script, program: str, code: int, exception: str | None
):
    pytest.importorskip("torch")
    await node.submit([script(program)], warm=True)
    record = await node.ended("1")
    assert record.summary.exit_code == code
    failure = record.attempts[0].failure
    assert failure is not None
    assert failure.exception == exception
    if exception:
        (piece,) = node.supervisor.logs("1")
        assert piece.text.startswith("Traceback (most recent call last):\n")
        assert "warm.py" not in piece.text
        assert piece.text.count("File ") == 1


async def test_who_forked_it_can_be_killed_without_harm(node, script: Script):
    pytest.importorskip("torch")
    await node.submit([script(WAITS)], "torchrun", ranks=2, warm=True)
    await node.until(lambda: len(node.supervisor.processes()) == 2)
    (warm,) = node.supervisor.course._pool._warm.values()
    os.kill(warm._pid, signal.SIGKILL)
    os.kill(node.folder("1").read_state().shim, signal.SIGKILL)
    (node.folder("1").path / "enough").touch()
    assert (await node.ended("1")).summary.state == "succeeded"
    await node.submit([script("import sys; assert 'torch' in sys.modules")], warm=True)
    assert (await node.ended("2")).summary.state == "succeeded"


async def test_a_stopped_warm_launcher_delays_a_job_and_starts_it_once(
    node, script: Script, monkeypatch
):
    pytest.importorskip("torch")
    monkeypatch.setattr("llmos.agents.node.jobs.warmpool.ANSWER", 0.3)
    said = str(node.state / "said")
    program = script("import sys; open(sys.argv[1], 'a').write('x')")
    await node.submit([program, said], warm=True)
    await node.ended("1")
    (warm,) = node.supervisor.course._pool._warm.values()
    os.kill(warm._pid, signal.SIGSTOP)
    await node.submit([program, said], warm=True)
    assert (await node.ended("2")).summary.state == "succeeded"
    status = descent.status(warm._pid)
    if status is not None:
        descent.send(status.process, signal.SIGCONT)
        await node.until(lambda: not descent.living(status.process))
    assert (node.state / "said").read_text() == "xx"
    assert node.left_of("2") == []


@pytest.mark.parametrize(
    ("program", "warm"),
    [
        ({}, True),
        ({"python": "/usr/bin/other"}, False),
        ({"prefix": ["nice"]}, False),
        ({"setup": "module load cuda"}, False),
        ({"environment": {"LD_PRELOAD": "x.so"}}, False),
        ({"environment": {"COLOUR": "blue"}}, True),
    ],
)
def test_only_what_a_fork_can_do_is_warm(program, warm: bool):
    assert can_be_warm(Program(arguments=["x.py"], warm=True, **program)) is warm
    assert not can_be_warm(Program(arguments=["x.py"], **program))
