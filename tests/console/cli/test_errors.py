"""What goes wrong is one line on stderr that says what to do."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llmos.tests.conftest import FrontDoor

OTHER_PROTOCOL = """
import sys
from aiohttp import web
from llmos.agents.protocol.facts import Hello
import msgspec

async def hello(request):
    said = Hello(protocol=9, version="9.1", node="n", boot="b", stream="", interval=1.0)
    return web.Response(body=msgspec.json.encode(said), content_type="application/json")

app = web.Application()
app.router.add_get("/v1/hello", hello)
web.run_app(app, path=sys.argv[1], print=lambda text: print("up", flush=True))
"""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["jbos"], 'unknown command "jbos", did you mean "jobs"? See `llmos --help`'),
        (
            ["jobs", "--jsn"],
            "no such option '--jsn'. Did you mean '--json'? See `llmos jobs --help`",
        ),
        (["job"], "missing argument 'JOB'; see `llmos job --help`"),
        (["logs", "1", "--rank", "x"], "'x' is not a valid integer range"),
        (["run"], "run what? SPEC, @NAME (see `llmos examples`), or -- script.py"),
        (["run", "--"], "expected a script after --"),
        (["run", "--", "nowhere.py"], "no such file: /"),
        (["run", "--gpus", "2", "@train-text"], "--set resources.gpus=2"),
        (["run", "@train-text", "--", "x.py"], "give one"),
        (["run", "train.py"], "llmos run -- train.py"),
        (["run", "@train-txt"], 'did you mean "train-text"?'),
        (["submit", "nowhere.toml"], "nowhere.toml: no such file"),
        (["run", "@train-text", "--set", "train.steps"], "expected KEY.KEY=VALUE"),
        (["run", "@train-text", "--set", "train.stepz=3"], 'did you mean "steps"?'),
        (["run", "@train-text", "--set", "train.steps=fast"], "$.train.steps"),
        (["jobs", "--connect", "tcp:1.2.3.4"], "expected unix:PATH or http://127.0.0.1:PORT"),
        (["--readonly", "stop", "1"], "stop changes something, and --readonly forbids it"),
        (["run", "@train-text", "--readonly"], "run changes something"),
        (["completion", "tcsh"], "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
        (["agent", "--join", "x"], "no such option '--join'"),
    ],
)
def test_usage_and_specs(llmos: FrontDoor, words: list[str], says: str) -> None:
    assert says in llmos.error(*words, code=2)
    assert list(llmos.state.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["job", "7"], ["logs", "seven"], ["stop", "7"], ["restart", "7"]]
)
def test_unknown_job(llmos: FrontDoor, words: list[str]) -> None:
    assert llmos.error(*words, code=1) == f"there is no job {words[1]}; `llmos jobs` lists them"


def test_what_the_node_cannot_give(llmos: FrontDoor) -> None:
    said = llmos.error("run", "@train-text", "--set", "resources.gpus=3", code=2)
    assert said == "resources.gpus: expected 0, got 3: this node has 0"
    assert json.loads(llmos("jobs", "--json"))["jobs"] == []


def test_an_agent_of_another_protocol(llmos: FrontDoor, state: Path) -> None:
    path = state / "other.sock"
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_PROTOCOL, str(path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            said = llmos.error("jobs", "--connect", f"unix:{path}", code=1)
        finally:
            other.terminate()
    assert said.startswith("the agent speaks protocol 9 (llmos 9.1), this llmos protocol 1: ")


def test_nobody_at_an_address(llmos: FrontDoor, state: Path) -> None:
    said = llmos.error("jobs", "--connect", f"unix:{state}/none.sock", code=1)
    assert said == f"no agent at unix:{state}/none.sock: No such file or directory"
    assert list(state.iterdir()) == []
    with closed_port() as port:
        said = llmos.error("top", "--once", "--connect", f"http://127.0.0.1:{port}", code=1)
    assert "Connect" in said


def test_a_state_folder_that_cannot_be_written(llmos: FrontDoor, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    for folder in ("/proc/llmos", str(blocked / "state")):
        said = llmos.error("jobs", "--state", folder, code=1)
        assert said.startswith(f"cannot write the state folder {folder}: ")
        assert "--state DIR" in said


def test_the_engine_is_missing(llmos: FrontDoor, tmp_path: Path) -> None:
    hide_torch(llmos, tmp_path)
    said = llmos.error("run", "@train-text", code=1)
    assert said == "a job of the kind train needs torch: pip install 'llmos[engine]'"


def test_the_engine_is_installed_on_first_need(llmos: FrontDoor, tmp_path: Path) -> None:
    hide_torch(llmos, tmp_path)
    script = tmp_path / "run"
    script.write_text('#!/bin/sh\necho "asked: $*"\nexit 3\n')
    script.chmod(0o700)
    llmos.environment["LLMOS_SCRIPTS_RUN"] = str(script)
    done = llmos.run("run", "@train-text", code=1)
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "asked: --install-engine",
        f"llmos: the engine could not be installed; try `{script} --install-engine`",
    ]


def test_debug_shows_where_an_error_came_from(llmos: FrontDoor) -> None:
    for words in (["--debug", "job", "7"], ["job", "7", "--debug"]):
        said = llmos.run(*words, code=1).stderr
        assert "Traceback" in said
        assert said.endswith("llmos: there is no job 7; `llmos jobs` lists them\n")


def test_a_fault_of_our_own_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    from llmos.console.cli.main import tell

    assert tell(ValueError("a\nb"), debug=False) == 1
    said = capsys.readouterr().err
    assert said == "llmos: internal error: ValueError: a b; run again with --debug\n"


def hide_torch(llmos: FrontDoor, folder: Path) -> None:
    """Let Python say that torch is not there, as on a host with the base install."""
    hook = folder / "hidden"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import importlib.util\n"
        "find = importlib.util.find_spec\n"
        "def without_torch(name, package=None):\n"
        "    return None if name == 'torch' else find(name, package)\n"
        "importlib.util.find_spec = without_torch\n"
    )
    llmos.environment["PYTHONPATH"] = str(hook)


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that somebody holds and nobody listens on."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
