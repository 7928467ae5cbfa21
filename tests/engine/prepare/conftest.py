"""A job's ranks, started as an agent starts them, on files of the test's own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmos.engine.specs import request, validate

Table = dict[str, Any]


class Task:
    """The folder of one attempt, and its ranks."""

    def __init__(self, folder: Path, table: Table, attempt: int = 1) -> None:
        self.folder = folder / f"a{attempt}"
        self.folder.mkdir(parents=True)
        asked = request(validate({"kind": "prepare", "prepare": table}), folder)
        (self.folder / "spec.json").write_text(json.dumps(asked.spec))
        self.dataset = self.folder / "dataset"

    def start(self, rank: int = 0, ranks: int = 1) -> subprocess.Popen[str]:
        said = {"LLMOS_TASK": str(self.folder), "LLMOS_SPEC": str(self.folder / "spec.json")}
        around = {name: text for name, text in os.environ.items() if name != "LLMOS_ARTIFACTS"}
        return subprocess.Popen(
            [sys.executable, "-m", "llmos.engine", "prepare"],
            env=around | said | {"RANK": str(rank), "WORLD_SIZE": str(ranks)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, ranks: int = 1) -> "Task":
        """All ranks, to their good end."""
        started = [self.start(rank, ranks) for rank in range(ranks)]
        for process in started:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
        return self

    def error(self) -> str:
        """The one line that the only rank ends with."""
        process = self.start()
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 2, errors
        assert not self.dataset.exists()
        assert errors.startswith("error: ")
        assert errors.count("\n") == 1, errors
        return errors.removeprefix("error: ").strip()

    @property
    def report(self) -> Table:
        found: Table = json.loads((self.dataset / "report.json").read_text())
        return found

    @property
    def results(self) -> Table:
        return {line["name"]: line["value"] for line in self.lines() if line["what"] == "result"}

    def lines(self, rank: int = 0) -> list[Table]:
        text = (self.folder / "progress" / f"rank-{rank}.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., Task]:
    """Runs a spec's table in its folder."""

    def run(ranks: int = 1, **table: Any) -> Task:
        return Task(tmp_path, table).run(ranks)

    return run


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """What a rank says of a table that cannot be prepared."""
    return lambda **table: Task(tmp_path, table).error()
