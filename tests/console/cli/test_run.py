"""`llmos run`: follows a job to its end, and leaves it alone when told to."""

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llmos.tests.conftest import PATIENCE, FrontDoor
from llmos.tests.console.cli.conftest import OnTerminal

if TYPE_CHECKING:
    import subprocess

Spec = Callable[[str], str]
Until = Callable[[str, str], dict[str, Any]]

WAITS = "import time\nprint('up', flush=True)\ntime.sleep(600)\n"

TICKS = """
import time
for n in range(6000):
    print("tick", flush=True)
    time.sleep(0.1)
"""

REPORTS = """
import json, os, time
def say(**line):
    with open(os.environ["LLMOS_TASK"] + "/progress/rank-0.jsonl", "a") as file:
        print(json.dumps(line), file=file)
os.makedirs(os.environ["LLMOS_TASK"] + "/progress", exist_ok=True)
say(what="metric", t=time.time(), step=7, steps=9, loss=2.5)
say(what="result", name="held_out_perplexity", value=12.25)
say(what="artifact", name="model", path="/somewhere/model")
print("the last line", end="")
"""


def test_a_job_that_succeeds(llmos: FrontDoor, spec: Spec) -> None:
    done = llmos.run("run", spec(REPORTS))
    assert done.stdout.splitlines() == [
        "the last line",
        "results",
        "  held_out_perplexity  12.25",
        "model: /somewhere/model",
    ]
    told = done.stderr.splitlines()
    assert told[0] == "job 1: tiny"
    assert told[-1].startswith("job 1 succeeded: ")
    assert any("step 7/9  loss 2.5" in line for line in told)


def test_a_job_that_fails_says_why(llmos: FrontDoor, spec: Spec) -> None:
    done = llmos.run("run", spec("raise SystemExit('no data here')"), code=1)
    assert "no data here" in done.stdout
    assert done.stderr.splitlines()[-1].startswith("job 1 failed: ")


def test_a_job_that_somebody_stops(llmos: FrontDoor, spec: Spec, until_state: Until) -> None:
    process = llmos.start("run", spec(WAITS))
    wait_for_line(process, "up")
    until_state("1", "running")
    llmos("stop", "1")
    assert process.communicate(timeout=PATIENCE)[1].splitlines()[-1].startswith("job 1 stopped: ")
    assert process.returncode == 130


def test_ctrl_c_without_a_terminal_stops_the_job(llmos: FrontDoor, spec: Spec) -> None:
    process = llmos.start("run", spec(WAITS))
    wait_for_line(process, "up")
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 130
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("job 1 stopped: ")


def test_a_hangup_leaves_the_job_to_itself(
    llmos: FrontDoor, spec: Spec, until_state: Until
) -> None:
    process = llmos.start("run", spec(WAITS))
    wait_for_line(process, "up")
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 129
    assert until_state("1", "running")["summary"]["ended"] is None


def test_the_job_goes_on_when_its_agent_ends_and_is_followed_again(
    llmos: FrontDoor, spec: Spec, state: Any
) -> None:
    from llmos.tests.conftest import end_agent

    go = state / "go"
    script = f"""
import os, time
print('up', flush=True)
while not os.path.exists({str(go)!r}): time.sleep(0.1)
print('and on')
"""
    process = llmos.start("run", spec(script))
    wait_for_line(process, "up")
    end_agent(state)
    go.touch()
    out, said = process.communicate(timeout=PATIENCE)
    assert out == "and on\n"
    assert "; job 1 goes on, and is looked for\n" in said
    assert process.returncode == 0


def test_ctrl_c_on_a_terminal_asks_and_a_second_one_stops(
    terminal: Callable[..., OnTerminal], spec: Spec
) -> None:
    shown = terminal("run", spec(TICKS))
    shown.until("tick")
    shown.interrupt()
    shown.until("[s]top the job, [d]etach, or [c]ontinue? ")
    shown.type("what\n")
    shown.until("[c]ontinue? ")
    shown.type("c\n")
    shown.until("tick")  # held back while the question was open
    shown.interrupt()
    shown.until("[c]ontinue? ")
    shown.interrupt()
    shown.until("job 1 stopped: ")
    assert shown.code() == 130


def test_detaching_leaves_the_job_to_itself(
    terminal: Callable[..., OnTerminal], spec: Spec, until_state: Until
) -> None:
    shown = terminal("run", spec(WAITS))
    shown.until("up")
    shown.interrupt()
    shown.until("[c]ontinue? ")
    shown.type("d\n")
    shown.until("job 1 goes on; `llmos logs 1 -f` follows it")
    assert shown.code() == 0
    until_state("1", "running")


def wait_for_line(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == f"{line}\n"
