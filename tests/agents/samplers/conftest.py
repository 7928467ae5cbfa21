import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from llmos.tests.nvml.standin import Standin

PROGRAM = Path(__file__).with_name("shown.py")
PATIENCE = 20.0
"""Seconds until what is waited for counts as missing; nothing here measures a time."""

Shown = dict[str, Any]


class Samplers:
    """The samplers in a process that sees the stand-in."""

    def __init__(
        self, environment: dict[str, str], jobs: Sequence[tuple[int, str, int]] = ()
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), json.dumps(jobs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | environment,
            text=True,
        )

    def until(self, true: Callable[[Shown], bool]) -> Shown:
        """What is shown once `true` says so."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + PATIENCE
        shown: Shown = {}
        for line in self.process.stdout:
            shown = json.loads(line)
            if true(shown):
                return shown
            if time.monotonic() > deadline:
                break
        pytest.fail(f"not shown: {json.dumps(brief(shown), indent=1)}")

    def state(self, index: int, state: str) -> Shown:
        """What is shown once that row is in that state."""
        return self.until(lambda shown: states(shown)[index : index + 1] == [state])

    def end(self) -> int:
        """Let it end, as an agent ends; its exit status. Fails where it does not."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(PATIENCE)


def brief(shown: Shown) -> Shown:
    """Without the many facts of each GPU."""
    facts = shown.get("facts", {})
    return {**shown, "facts": {key: value for key, value in facts.items() if key != "gpus"}}


def states(shown: Shown) -> list[str | None]:
    """The state of each row."""
    return [row["state"] for row in shown["rows"]]


@pytest.fixture
def standin(tmp_path: Path) -> Standin:
    return Standin.create(tmp_path / "nvml", gpus=3)


@pytest.fixture
def start(standin: Standin) -> Iterator[Callable[..., Samplers]]:
    started: list[Samplers] = []

    def begin(
        environment: dict[str, str] | None = None, jobs: Sequence[tuple[int, str, int]] = ()
    ) -> Samplers:
        started.append(Samplers(environment or standin.environment(), jobs))
        return started[-1]

    yield begin
    for samplers in started:
        samplers.process.kill()
        samplers.process.wait()
        for pipe in (samplers.process.stdin, samplers.process.stdout):
            if pipe is not None:
                pipe.close()
