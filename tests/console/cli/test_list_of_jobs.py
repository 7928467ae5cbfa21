"""A spec that lists jobs: handed in together, followed one after the other."""

import json
from pathlib import Path

import pytest

from llmos.tests.conftest import FrontDoor

LIST = """
name = "chain"
[[jobs]]
kind = "command"
name = "first"
command.script = "first.py"
resources.ranks = 1
[[jobs]]
kind = "command"
name = "second"
after = ["first"]
command.script = "second.py"
resources.ranks = 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "list.toml").write_text(LIST)
    (tmp_path / "first.py").write_text("print('one')")
    (tmp_path / "second.py").write_text("print('two')")
    return tmp_path


def test_run_follows_one_after_the_other(llmos: FrontDoor, folder: Path) -> None:
    done = llmos.run("run", "list.toml", cwd=folder)
    assert done.stdout.splitlines() == ["one", "two"]
    told = done.stderr.splitlines()
    assert told[:2] == ["job 1: first", "job 2: second"]
    first = next(at for at, line in enumerate(told) if line.startswith("job 1 succeeded"))
    second = next(at for at, line in enumerate(told) if line.startswith("job 2 succeeded"))
    assert first < second
    jobs = json.loads(llmos("jobs", "--json"))["jobs"]
    assert {job["array"] for job in jobs} == {"chain"}


def test_what_waits_for_a_failed_job_is_given_up(llmos: FrontDoor, folder: Path) -> None:
    (folder / "first.py").write_text("raise SystemExit('no luck')")
    done = llmos.run("run", "list.toml", cwd=folder, code=1)
    assert done.stdout.splitlines() == ["no luck"]
    jobs = json.loads(llmos("jobs", "--json"))["jobs"]
    assert {job["name"]: job["state"] for job in jobs} == {"first": "failed", "second": "stopped"}


def test_submit_prints_their_ids_in_order(llmos: FrontDoor, folder: Path) -> None:
    assert llmos("submit", "list.toml", "--hold", cwd=folder).split() == ["1", "2"]
    assert json.loads(llmos("job", "2", "--json"))["job"]["request"]["after"] == ["1"]
    asked = json.loads(llmos("submit", "list.toml", "--hold", "--json", cwd=folder))
    assert [job["name"] for job in asked["jobs"]] == ["first", "second"]


def test_of_a_list_that_is_refused_nothing_runs(llmos: FrontDoor, folder: Path) -> None:
    (folder / "list.toml").write_text(LIST + "resources.gpus = 5\n")
    refused = llmos.run("run", "list.toml", cwd=folder, code=2)
    assert refused.stderr == "llmos: resources.gpus: expected 0, got 5: this node has 0\n"
    jobs = json.loads(llmos("jobs", "--json"))["jobs"]
    assert [job["state"] for job in jobs] in (["stopped"], ["succeeded"])
