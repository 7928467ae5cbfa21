import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmos.agents.version import llmos_version
from llmos.console.cli.main import COMMANDS
from llmos.tests.conftest import FrontDoor
from llmos.tests.console.cli.conftest import OnTerminal

Spec = Callable[[str], str]
Until = Callable[[str, str], dict[str, Any]]
Conforms = Callable[[object, str], None]

HEAVY = {"textual", "rich", "numpy", "torch", "transformers", "aiohttp", "psutil", "pynvml"}


def test_help_lists_every_command_with_what_it_does(llmos: FrontDoor) -> None:
    listed = dict(
        line.strip().split("  ", 1)
        for line in llmos("--help").partition("Commands:\n")[2].splitlines()
    )
    assert tuple(listed) == COMMANDS
    assert all(listed.values())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_takes_what_every_command_takes(
    llmos: FrontDoor, command: str
) -> None:
    said = llmos(command, "--help")
    assert said.startswith(f"Usage: llmos {command}")
    for option in ("--connect", "--state", "--readonly", "--debug"):
        assert option in said


def test_help_and_examples_import_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from llmos.console.cli.main import run\n"
        "assert run(['--help']) == run(['examples']) == 0\n"
        "print(*{name.split('.')[0] for name in sys.modules})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "click" in loaded
    assert loaded & HEAVY == set()


def test_version(llmos: FrontDoor) -> None:
    assert llmos("--version") == f"llmos {llmos_version()}\n"


def test_examples(llmos: FrontDoor, conforms: Conforms) -> None:
    assert "@train-text" in llmos("examples")
    content = json.loads(llmos("examples", "--json"))
    conforms(content, "examples")
    assert all(Path(example["path"]).is_file() for example in content["examples"])


def test_a_submitted_job_is_listed_looked_at_and_restarted(
    llmos: FrontDoor, spec: Spec, until_state: Until, conforms: Conforms
) -> None:
    assert llmos("submit", spec("print('from the job')")) == "1\n"
    record = until_state("1", "succeeded")
    conforms({"schema": 1, "job": record}, "job")
    assert record["transitions"][0]["state"] == "queued"

    jobs = json.loads(llmos("jobs", "--json"))
    conforms(jobs, "jobs")
    assert [job["name"] for job in jobs["jobs"]] == ["tiny"]
    assert "tiny" in llmos("jobs")
    assert "succeeded" in llmos("job", "1")
    assert llmos("logs", "1") == "from the job\n"

    restarted = llmos.run("restart", "1")
    assert restarted.stdout == "2\n"
    assert "a new job like 1" in restarted.stderr
    assert until_state("2", "succeeded")["request"]["source"] == "1"


def test_a_running_job_is_stopped_once(
    llmos: FrontDoor, spec: Spec, until_state: Until, conforms: Conforms
) -> None:
    path = spec("import time\nprint('up', flush=True)\ntime.sleep(600)")
    content = json.loads(llmos("submit", path, "--json"))
    conforms(content, "submit")
    until_state("1", "running")
    assert llmos.run("stop", "1").stderr.startswith("job 1: ")
    assert until_state("1", "stopped")["summary"]["ended"] is not None
    assert llmos.error("stop", "1", code=1) == "job 1 has ended: stopped"


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete"), ("zsh", "compdef"), ("fish", "-c")]
)
def test_completion_prints_a_script(llmos: FrontDoor, shell: str, word: str) -> None:
    said = llmos("completion", shell)
    assert "_LLMOS_COMPLETE" in said
    assert word in said


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs a bash")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("llmos run @trai", "llmos run @train-text "),
        ("llmos run @t", "llmos run @train-text "),
        ('llmos run "@trai', 'llmos run "@train-text" '),
        ("llmos run @train-text --aft", "llmos run @train-text --after "),
    ],
)
def test_a_bash_completes_examples(
    llmos: FrontDoor,
    terminal: Callable[..., OnTerminal],
    tmp_path: Path,
    typed: str,
    completed: str,
) -> None:
    program = tmp_path / "bin" / "llmos"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m llmos "$@"\n')
    program.chmod(0o755)
    llmos.environment["PATH"] = f"{program.parent}:{llmos.environment['PATH']}"
    llmos.environment |= {"PS1": "ready> ", "INPUTRC": os.devnull}
    bash = terminal(program=["bash", "--norc", "--noprofile", "-i"])
    bash.until("ready> ")
    bash.type('eval "$(llmos completion bash)"\n')
    bash.until("ready> ")
    bash.type(f"{typed}\t")
    bash.until(completed)


def test_a_shell_completes_job_ids_and_starts_no_agent_for_it(llmos: FrontDoor, spec: Spec) -> None:
    asked = {"_LLMOS_COMPLETE": "bash_complete", "COMP_WORDS": "llmos\nstop\n", "COMP_CWORD": "2"}
    plain, completing = llmos.environment, llmos.environment | asked
    llmos.environment = completing
    assert llmos() == "\n"
    assert not (llmos.state / "agent.sock").exists()

    llmos.environment = plain
    llmos("submit", spec("pass"))
    llmos.environment = completing
    assert llmos() == "plain,1\n"
