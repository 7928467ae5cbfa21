"""A spec that lists jobs: in order, by name, each checked as if it stood alone."""

from pathlib import Path

import pytest

from llmos.agents.errors import SpecError
from llmos.agents.protocol.jobs import JobRequest
from llmos.engine.several import after_ids, job_requests

LIST = """
name = "chain"

[[jobs]]
kind = "train"
name = "model"
[jobs.train]
data.source = "module:pydoc_data.topics"

[[jobs]]
kind = "train"
name = "next"
after = ["model", "4"]
[jobs.train]
data.source = "module:pydoc_data.topics"
"""


@pytest.fixture
def listed(tmp_path: Path) -> str:
    path = tmp_path / "list.toml"
    path.write_text(LIST)
    return str(path)


def test_jobs_come_in_order_and_wait_for_each_other(listed: str) -> None:
    first, second = job_requests(listed, after=["9:any"])
    assert (first.name, first.array, first.after) == ("model", "chain", ["9:any"])
    assert (second.name, second.array, second.after) == ("next", "chain", ["4", "9:any", "model"])
    assert after_ids(second, {"model": "12"}).after == ["4", "9:any", "12"]


def test_after_may_be_content_with_any_end() -> None:
    asked = JobRequest(kind="", name="", program=None, after=["model:any"])  # type: ignore[arg-type]
    assert after_ids(asked, {"model": "12"}).after == ["12:any"]


def test_a_setting_is_for_one_job_or_for_all(listed: str) -> None:
    first, second = job_requests(listed, ["next.train.steps=7", "train.seed=3", "hold=true"])
    assert [job.spec["train"]["steps"] for job in (first, second)] == [500, 7]
    assert [job.spec["train"]["seed"] for job in (first, second)] == [3, 3]
    assert first.hold
    assert second.hold


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"model", "4"',
            '"modle"',
            r'job next: \$\.after: no job above is called "modle", did you',
        ),
        ('"model", "4"', '"next"', r"job next: \$\.after: no job above is called"),
        (
            '"model", "4"',
            '"model:soon"',
            r"job next: \$\.after: expected .model. or .model:any., got",
        ),
        (
            'name = "next"',
            'name = "model"',
            r"\$\.jobs\[1\]\.name: model is the name of a job above",
        ),
        ('name = "next"', 'name = "1st"', r"\$\.jobs\[1\]\.name: expected a name that begins with"),
        ('name = "next"', "", r"\$\.jobs\[1\]\.name: expected a name .* got None"),
        ('name = "chain"', "hold = true", r"\$\.hold: beside a list of jobs there is only a name"),
        ('name = "chain"', "name = 3", r"\$\.name: expected text, got 3"),
        ('kind = "train"\nname = "next"', 'name = "next"', r"job next: \$\.kind: missing"),
    ],
)
def test_what_is_off_is_said_with_its_job(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "list.toml"
    assert old in LIST
    path.write_text(LIST.replace(old, new))
    with pytest.raises(SpecError, match=message):
        job_requests(str(path))


@pytest.mark.parametrize("jobs", ["[]", "3", "[1]"])
def test_a_list_holds_tables(tmp_path: Path, jobs: str) -> None:
    path = tmp_path / "list.toml"
    path.write_text(f"jobs = {jobs}")
    with pytest.raises(SpecError, match=r"\$\.jobs"):
        job_requests(str(path))


def test_a_list_has_no_matrix(listed: str) -> None:
    with pytest.raises(SpecError, match="is a list of jobs already"):
        job_requests(listed, matrix=["train.seed=1,2"])
