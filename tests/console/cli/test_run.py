"""`llmos run`: follows a job to its end, and leaves it alone when told to."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llmos.tests.conftest import PATIENCE, FrontDoor

Spec = Callable[[str], str]
Until = Callable[[str, str], dict[str, Any]]

WAITS = "import time\nprint('up', flush=True)\ntime.sleep(600)\n"

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
    assert "the agent ended; job 1 goes on" in said
    assert process.returncode == 0


class OnTerminal:
    """`llmos …` on a terminal of its own."""

    def __init__(self, llmos: FrontDoor, *words: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            llmos.command(*words),
            env=llmos.environment | {"TERM": "xterm-256color"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.seen = ""

    def until(self, text: str) -> None:
        """Read until `text` has come since the last call."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            if not select.select([self.master], [], [], deadline - time.monotonic())[0]:
                pytest.fail(f"{text!r} never came: {self.seen!r}")
            self.seen += os.read(self.master, 65536).decode(errors="replace")
        self.seen = self.seen.partition(text)[2]

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def code(self) -> int:
        return self.process.wait(PATIENCE)


@pytest.fixture
def terminal(llmos: FrontDoor) -> Iterator[Callable[..., OnTerminal]]:
    with contextlib.ExitStack() as stack:

        def start(*words: str) -> OnTerminal:
            opened = OnTerminal(llmos, *words)
            stack.callback(os.close, opened.master)
            stack.callback(opened.process.wait)
            stack.callback(opened.process.kill)
            return opened

        yield start


def test_ctrl_c_on_a_terminal_asks_and_a_second_one_stops(
    terminal: Callable[..., OnTerminal], spec: Spec
) -> None:
    shown = terminal("run", spec(WAITS))
    shown.until("up")
    shown.interrupt()
    shown.until("[s]top the job, [d]etach, or [c]ontinue? ")
    shown.type("what\n")
    shown.until("[c]ontinue? ")
    shown.type("c\n")
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
