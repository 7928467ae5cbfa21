import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llmos.tests.conftest import PATIENCE, FrontDoor

GOLDEN = Path(__file__).with_name("golden")


class OnTerminal:
    """A program on a terminal of its own."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        self.process = subprocess.Popen(
            command,
            env=environment | {"TERM": "xterm-256color"},
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
            try:
                self.seen += os.read(self.master, 65536).decode(errors="replace")
            except OSError:
                pytest.fail(f"it ended before {text!r} came: {self.seen!r}")
        self.seen = self.seen.partition(text)[2]

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def code(self) -> int:
        return self.process.wait(PATIENCE)


@pytest.fixture
def terminal(llmos: FrontDoor) -> Iterator[Callable[..., OnTerminal]]:
    """Starts `llmos …`, or another `program`, on a terminal."""
    with contextlib.ExitStack() as stack:

        def start(*words: str, program: list[str] | None = None) -> OnTerminal:
            opened = OnTerminal(program or llmos.command(*words), llmos.environment)
            stack.callback(os.close, opened.master)
            stack.callback(opened.process.wait)
            stack.callback(opened.process.kill)
            return opened

        yield start


@pytest.fixture
def spec(tmp_path: Path) -> Callable[[str], str]:
    """Writes the spec of a job that is one plain process of a script; its path."""

    def write(script: str, name: str = "tiny") -> str:
        program = tmp_path / f"{name}.py"
        program.write_text(script)
        path = tmp_path / f"{name}.toml"
        path.write_text(
            f'kind = "command"\nname = "{name}"\n'
            f'[command]\nscript = "{program}"\nlauncher = "plain"\n'
        )
        return str(path)

    return write


@pytest.fixture
def until_state(llmos: FrontDoor) -> Callable[[str, str], dict[str, Any]]:
    """Waits for a job to be in a state; what is known of it then."""

    def wait(job: str, state: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found: dict[str, Any] = json.loads(llmos("job", job, "--json"))["job"]
            if found["summary"]["state"] == state:
                return found
            time.sleep(0.1)
        pytest.fail(f"job {job} is never {state}: {found['summary']}")

    return wait


@pytest.fixture
def conforms() -> Callable[[object, str], None]:
    """Holds a JSON output to its golden schema: every key is there, none is new, types fit."""

    def check(content: object, name: str) -> None:
        _check(content, json.loads((GOLDEN / f"{name}.json").read_text()), name)

    return check


def _check(value: object, form: object, path: str) -> None:
    """A form is a type's name, with "?" where null may be; [form]; {key: form}; or {"*": form}."""
    if isinstance(form, dict):
        assert isinstance(value, dict), path
        if "*" in form:
            form = dict.fromkeys(value, form["*"])
        assert value.keys() == form.keys(), path
        for key, inner in form.items():
            _check(value[key], inner, f"{path}.{key}")
    elif isinstance(form, list):
        assert isinstance(value, list), path
        for at, inner in enumerate(value):
            _check(inner, form[0], f"{path}[{at}]")
    else:
        assert isinstance(form, str)
        name = form.removesuffix("?")
        fits = value is None if form.endswith("?") and value is None else _is(value, name)
        assert fits, f"{path}: expected {form}, got {value!r}"


def _is(value: object, name: str) -> bool:
    if name == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return name == "any" or isinstance(value, {"text": str, "flag": bool}[name])
