"""Jobs from submission to end, with real shims and real processes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from llmos.agents.errors import RequestRefused
from llmos.agents.node.task import descent
from llmos.agents.protocol.jobs import (
    JobRequest,
    JobSummary,
    LogPiece,
    Metric,
    Program,
    Resources,
    Retry,
)

Script = Callable[[str], str]

WAITS = "import time\nprint('waiting', flush=True)\ntime.sleep(600)\n"

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('deaf', flush=True)
time.sleep(600)
"""

ESCAPES = """
import os, signal, sys, time

def escape(new_session, twice, deaf, environment, name):
    if os.fork():
        return
    if new_session:
        os.setsid()
    if twice and os.fork():
        os._exit(0)
    if deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(os.path.join(os.environ['LLMOS_TASK'], 'escaped-' + name), 'w') as file:
        file.write(str(os.getpid()))
    os.execve(sys.executable, [sys.executable, '-c', 'import time; time.sleep(600)'], environment)

escape(False, False, False, dict(os.environ), 'child')
escape(True, False, True, dict(os.environ), 'session')
escape(True, True, True, dict(os.environ), 'daemon')
escape(True, True, True, {}, 'clean')
time.sleep(600 if sys.argv[1] == 'wait' else 0.3)
"""

REPORTS = """
import json, os, time
path = os.path.join(os.environ['LLMOS_TASK'], 'progress', 'rank-0.jsonl')
with open(path, 'a') as file:
    for step in range(1, 6):
        line = dict(what='metric', t=time.time(), step=step, steps=5, loss=5 / step)
        line |= dict(tokens=100, dt=0.5)
        print(json.dumps(line), file=file, flush=True)
    print('no json', file=file)
    print(json.dumps(dict(what='result', name='score', value=0.5)), file=file)
    print(json.dumps(dict(what='artifact', name='model', path='/tmp/model')), file=file, flush=True)
print('reported', flush=True)
time.sleep(float(os.environ.get('WAIT', '0')))
"""


def states(record: object) -> list[str]:
    return [transition.state for transition in record.transitions]  # type: ignore[attr-defined]


def escapees(folder: Path) -> list[descent.Process]:
    pids = [int(path.read_text() or "0") for path in folder.glob("escaped-*")]
    found = [status.process for status in map(descent.status, pids) if status]
    return [process for process in found if descent.living(process)]


async def test_a_job_runs_to_its_end(node, script: Script):
    submitted = await node.submit([script("import sys; print('args', sys.argv[1:])"), "--lr", "1"])
    assert (submitted.id, submitted.state, submitted.attempt) == ("1", "queued", 0)
    assert node.supervisor.running
    record = await node.ended("1")
    assert states(record) == ["queued", "starting", "running", "succeeded"]
    assert record.summary.exit_code == 0
    assert record.summary.created <= record.summary.started <= record.summary.ended
    assert [piece.text for piece in node.supervisor.logs("1")] == ["args ['--lr', '1']\n"]
    assert not node.supervisor.running
    assert node.supervisor.processes() == {}
    assert [event.what for event in node.events] == ["job succeeded"]


async def test_every_transition_is_published_after_it_was_stored(node, script: Script):
    seen = []

    def publish(item: object) -> None:
        if isinstance(item, JobSummary):
            stored = node.supervisor._records.get(item.id).transitions
            seen.append((item.state, stored[-1].state))

    node.supervisor._ledger._publish = publish
    await node.submit([script("pass")])
    await node.ended("1")
    assert [shown for shown, _ in seen] == ["queued", "starting", "running", "succeeded"]
    assert all(shown == stored for shown, stored in seen)


async def test_a_failure_names_exit_code_and_last_line(node, script: Script):
    await node.submit([script("print('fine')\nraise ValueError('no such luck')")])
    record = await node.ended("1")
    assert record.summary.state == "failed"
    assert record.summary.exit_code == 1
    assert record.summary.cause == "rank 0 ended with exit code 1: ValueError: no such luck"
    failure = node.folder("1").read_state().failure
    assert (failure.rank, failure.exit_code, failure.name) == (0, 1, "error")
    assert failure.exception == "ValueError: no such luck"
    assert failure.lines[0] == "fine"
    assert record.summary.started <= failure.time <= record.summary.ended
    assert record.attempts[0].failure == failure
    assert node.events[-1].severity == "error"


async def test_a_rank_killed_by_a_signal_is_said_so(node, script: Script):
    await node.submit([script("import os; os.kill(os.getpid(), 9)")])
    record = await node.ended("1")
    assert record.summary.exit_code == -9
    assert "was killed by SIGKILL" in record.summary.cause


@pytest.mark.parametrize(
    ("program", "cause"),
    [
        ({"python": "/nowhere/python"}, "cannot start /nowhere/python: No such file or directory"),
        ({"python": "/etc/passwd"}, "cannot start /etc/passwd: Permission denied"),
        ({"folder": "/nowhere/at/all"}, "the working folder /nowhere/at/all does not exist"),
    ],
)
async def test_what_cannot_start_is_a_failed_job_with_a_clear_cause(node, script, program, cause):
    await node.submit([script("pass")], **program)
    record = await node.ended("1")
    assert states(record) == ["queued", "starting", "failed"]
    assert record.summary.cause.startswith(cause)
    assert "; name a" in record.summary.cause
    assert record.summary.started is None


async def test_what_no_process_can_be_given_is_said(node, script: Script):
    await node.submit([script("pass"), "a\0b"])
    record = await node.ended("1")
    assert record.summary.cause.startswith("cannot start: embedded null byte")


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("import no_such_package", "import error"),
        ("raise MemoryError", "out of memory"),
        ("raise OSError(28, 'No space left on device')", "disk full"),
        ("raise RuntimeError('CUDA out of memory. Tried to allocate 2 GiB')", "out of GPU memory"),
        ("raise FloatingPointError('loss is nan at step 7')", "NaN"),
        ("import os; os.kill(os.getpid(), 9)", "killed"),
        ("import os; os.abort()", "crashed"),
        ("raise KeyError('x')", "error"),
    ],
)
async def test_a_failure_has_a_name(node, script: Script, program: str, name: str):
    await node.submit([script(program)])
    record = await node.ended("1")
    assert record.summary.failure == name
    assert record.attempts[0].failure.name == name


async def test_a_failure_that_may_pass_is_tried_again(node, script: Script):
    once = """
import os, sys
first = os.environ['LLMOS_ATTEMPT'] == '1'
sys.exit('OSError: [Errno 98] Address already in use' if first else 0)
"""
    await node.submit([script(once)], retry=Retry(max_attempts=3, backoff=0.1))
    record = await node.ended("1")
    assert (record.summary.state, record.summary.attempt) == ("succeeded", 2)
    assert states(record)[2:] == ["running", "restarting", "starting", "running", "succeeded"]
    waits = next(one.cause for one in record.transitions if one.state == "restarting")
    assert waits.startswith("attempt 1 failed: rank 0 ended with exit code 1: OSError")
    assert waits.endswith("; attempt 2 starts in 0.1 s")
    assert [one.state for one in record.attempts] == ["failed", "succeeded"]


async def test_attempts_end_where_they_are_used_up(node, script: Script):
    await node.submit([script("raise KeyError('x')")], retry=Retry(max_attempts=2, backoff=0))
    record = await node.ended("1")
    assert (record.summary.state, record.summary.attempt) == ("failed", 2)


async def test_what_no_attempt_can_mend_is_not_tried_again(node, script: Script):
    await node.submit([script("import no_such_package")], retry=Retry(max_attempts=5, backoff=0))
    record = await node.ended("1")
    assert record.summary.attempt == 1
    assert "install the package" in record.summary.cause


async def test_a_job_that_waits_says_why_and_starts_when_it_can(late_node, script: Script):
    node = late_node(gpus=("GPU-a", "GPU-b"))
    waits = script("import os, time\nprint(os.environ['CUDA_VISIBLE_DEVICES'])\ntime.sleep(600)")
    await node.submit([waits], "torchrun", ranks=2)
    await node.until_state("1", "running")
    assert node.supervisor.get("1").summary.gpus == [0, 1]
    await node.submit([waits])
    cause = "waiting for 1 GPU: 0 free"
    await node.until(lambda: node.supervisor.get("2").summary.cause.startswith(cause))
    await node.supervisor.stop("1")
    record = await node.until_state("2", "running")
    assert record.summary.gpus == [0]
    await node.until(lambda: [log.text for log in node.supervisor.logs("2")] == ["GPU-a\n"])
    await node.supervisor.stop("2")
    await node.ended("2")
    assert node.supervisor.course.leases.holder("GPU-a") is None


async def test_a_held_job_waits_until_it_is_released(node, script: Script):
    await node.submit([script("pass")], hold=True)
    await node.until(lambda: "llmos release 1" in node.supervisor.get("1").summary.cause)
    assert (await node.supervisor.release("1")).held is False
    assert (await node.ended("1")).summary.state == "succeeded"
    with pytest.raises(RequestRefused, match="has ended"):
        await node.supervisor.hold("1")


async def test_a_job_comes_after_another(node, script: Script):
    await node.submit([script("import time; time.sleep(0.5)")])
    await node.submit([script("raise KeyError")], after=["1"])
    await node.submit([script("pass")], after=["2"])
    await node.submit([script("pass")], after=["2:any"])
    records = [await node.ended(job) for job in ("1", "2", "3", "4")]
    assert [r.summary.state for r in records] == ["succeeded", "failed", "stopped", "succeeded"]
    assert records[1].summary.started >= records[0].summary.ended
    assert records[2].summary.cause == "job 2, which it comes after, failed"
    with pytest.raises(RequestRefused, match="no job 9"):
        await node.submit([script("pass")], after=["9"])


async def test_a_job_that_waits_can_be_stopped(node, script: Script):
    await node.submit([script("pass")], hold=True)
    await node.supervisor.stop("1")
    assert (await node.ended("1")).summary.state == "stopped"


async def test_stop_ends_the_job_and_all_that_escaped(node, script: Script):
    await node.submit([script(ESCAPES), "wait"])
    folder = node.folder("1").path
    await node.until(lambda: len(list(folder.glob("escaped-*"))) == 4)
    await node.until(lambda: len(escapees(folder)) == 4)
    asked = await node.supervisor.stop("1")
    assert asked.cause == "asked to stop; has 5 s to end by itself"
    record = await node.ended("1")
    assert (record.summary.state, record.summary.cause) == ("stopped", "stopped as asked")
    assert escapees(folder) == []
    assert node.left_of("1") == []


async def test_a_good_end_leaves_no_process_behind(node, script: Script):
    await node.submit([script(ESCAPES), "end"])
    record = await node.ended("1")
    assert record.summary.state == "succeeded"
    assert len(list(node.folder("1").path.glob("escaped-*"))) >= 2
    assert escapees(node.folder("1").path) == []


async def test_a_deaf_rank_is_killed_after_the_grace(node, script: Script):
    node.supervisor.course._grace = 0.5
    await node.submit([script(STUBBORN)])
    await node.until(lambda: "deaf" in str(node.supervisor.logs("1")))
    await node.supervisor.stop("1")
    record = await node.ended("1")
    assert record.summary.state == "stopped"
    assert record.summary.cause.startswith("stopped; 1 of 1 ranks did not end within 0.5 s")
    assert node.folder("1").read_state().ranks[0].exit_code == -9


async def test_a_job_stopped_at_once_is_stopped(node, script: Script):
    await node.submit([script(WAITS)])
    await node.supervisor.stop("1")
    record = await node.ended("1")
    assert record.summary.state == "stopped"
    assert node.left_of("1") == []


async def test_restart_of_a_running_job_is_a_new_attempt(node, script: Script):
    await node.submit([script(WAITS)])
    await node.until_state("1", "running")
    assert (await node.supervisor.restart("1")).state == "restarting"
    record = await node.until_state("1", "running")
    assert record.summary.attempt == 2
    assert states(record) == ["queued", "starting", "running", "restarting", "starting", "running"]
    assert record.folder == str(node.folder("1", 2).path)
    assert node.left_of("1", attempt=1) == []
    await node.supervisor.stop("1")
    assert (await node.ended("1")).summary.state == "stopped"


async def test_a_restart_can_be_stopped(node, script: Script):
    await node.submit([script(WAITS)])
    await node.until_state("1", "running")
    await node.supervisor.restart("1")
    await node.supervisor.stop("1")
    record = await node.ended("1")
    assert (record.summary.state, record.summary.attempt) == ("stopped", 1)


async def test_restart_of_an_ended_job_is_a_new_job_with_its_secrets(node, script: Script):
    says = script("import os; print(os.environ['HF_TOKEN'], os.environ['COLOUR'])")
    environment = {"HF_TOKEN": "sesame-open", "COLOUR": "blue"}
    await node.submit([says], environment=environment)
    first = await node.ended("1")
    assert first.request.program.environment == {"HF_TOKEN": "(not stored)", "COLOUR": "blue"}
    again = await node.supervisor.restart("1")
    assert again.id == "2"
    second = await node.ended("2")
    assert second.request.source == "1"
    assert node.supervisor.logs("2")[0].text == "sesame-open blue\n"
    assert node.folder("1").order.stat().st_mode & 0o777 == 0o600
    for path in node.state.glob("records*"):
        assert b"sesame-open" not in path.read_bytes()


async def test_a_job_that_lost_its_secrets_is_not_restarted(node, script: Script):
    await node.submit([script("pass")], environment={"API_KEY": "x"})
    await node.ended("1")
    node.folder("1").order.unlink()
    (node.state / "run" / "1" / "request.json").unlink()
    with pytest.raises(RequestRefused, match="its secrets") as refused:
        await node.supervisor.restart("1")
    assert refused.value.status == 409


async def test_figures_results_and_logs_are_told(node, script: Script):
    node.supervisor.course.shown_metrics = {"1"}
    node.supervisor.course.shown_logs = {"1"}
    await node.submit([script(REPORTS)], environment={"WAIT": "0.5"})
    record = await node.ended("1")
    metrics = [item for item in node.published if isinstance(item, Metric)]
    assert [metric.values["loss"] for metric in metrics] == [5 / step for step in range(1, 6)]
    pieces = [item for item in node.published if isinstance(item, LogPiece)]
    assert "".join(piece.text for piece in pieces) == "reported\n"
    assert record.summary.progress.step == record.summary.progress.steps == 5
    assert record.summary.progress.tokens_per_second == 200
    assert record.results == {"score": 0.5}
    assert record.artifacts == {"model": "/tmp/model"}
    (loss,) = (curve for curve in await node.supervisor.series("1") if curve.name == "loss")
    assert loss.steps == [1, 2, 3, 4, 5]


async def test_nothing_is_told_to_nobody(node, script: Script):
    await node.submit([script(REPORTS)])
    record = await node.ended("1")
    assert all(isinstance(item, JobSummary) for item in node.published)
    assert record.summary.progress.step == 5


async def test_ranks_are_known_while_they_run(node, script: Script):
    await node.submit([script(WAITS)])
    await node.until_state("1", "running")
    ((pid, named),) = node.supervisor.processes().items()
    assert named == ("1", 0)
    assert descent.environment(pid)["LLMOS_JOB"] == "1"
    await node.supervisor.stop("1")
    await node.ended("1")


async def test_what_does_not_exist_is_refused(node, script: Script):
    for job in ("1", "-1", "01", "x", "9" * 40, "²"):
        with pytest.raises(RequestRefused) as refused:
            await node.supervisor.stop(job)
        assert refused.value.status == 404
    await node.submit([script("pass")])
    await node.ended("1")
    with pytest.raises(RequestRefused, match="has ended: succeeded") as refused:
        await node.supervisor.stop("1")
    assert refused.value.status == 409
    with pytest.raises(RequestRefused, match="has no rank 1"):
        node.supervisor.logs("1", rank=1)


async def test_absurd_resources_are_refused_and_nothing_changes(node, script: Script):
    for resources in (Resources(ranks=0), Resources(gpus=1), Resources(nodes=2)):
        request = JobRequest(
            kind="command",
            name="x",
            program=Program(arguments=[script("pass")]),
            resources=resources,
        )
        with pytest.raises(RequestRefused, match=r"^resources\."):
            await node.supervisor.submit(request, user="tester")
    assert node.supervisor.list() == []
    assert not (node.state / "run").exists()
    assert node.published == []


async def test_list_is_newest_first(node, script: Script):
    for _ in range(2):
        await node.submit([script("pass")])
    await node.ended("1")
    await node.ended("2")
    assert [summary.id for summary in node.supervisor.list()] == ["2", "1"]
