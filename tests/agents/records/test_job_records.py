"""Jobs as they are stored."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from llmos.agents.errors import RequestRefused, StateFolderError
from llmos.agents.protocol.jobs import JobRequest, JobSummary, Program
from llmos.agents.records.database import Database
from llmos.agents.records.jobs import JobRecords
from llmos.agents.records.secrets import NOT_STORED, is_secret, lacks_secrets, without_secrets


@pytest.fixture
def records(tmp_path: Path) -> Iterator[JobRecords]:
    with contextlib.closing(Database.open(tmp_path)) as database:
        yield JobRecords(database)


def request(**environment: str) -> JobRequest:
    return JobRequest(
        kind="command",
        name="x",
        program=Program(arguments=["x.py"], environment=environment),
        spec={"kind": "command", "environment": environment, "train": {"pad_token": "<pad>"}},
    )


def new(job: str = "") -> JobSummary:
    return JobSummary(
        id=job, name="x", kind="command", state="queued", cause="new", user="u", created=10.0
    )


def test_ids_count_up_and_are_never_used_again(records: JobRecords):
    assert [records.add(request(), new()).id for _ in range(2)] == ["1", "2"]
    assert records.add(request(), new()).id == "3"
    assert records.add(request(), new(), above=40).id == "41"
    assert records.add(request(), new()).id == "42"
    assert records.known() == {"1", "2", "3", "41", "42"}


def test_a_job_is_stored_with_its_transitions(records: JobRecords):
    summary = records.add(request(), new())
    summary.state, summary.cause = "running", "it runs"
    records.change(summary, 11.0)
    records.report("1", {"f1": 0.5}, {"model": "/m"})
    record = records.get("1")
    assert record.summary == summary
    assert [(one.time, one.state, one.cause) for one in record.transitions] == [
        (10.0, "queued", "new"),
        (11.0, "running", "it runs"),
    ]
    assert (record.results, record.artifacts) == ({"f1": 0.5}, {"model": "/m"})


def test_live_jobs_are_those_that_have_not_ended(records: JobRecords):
    for state in ("running", "failed", "restarting", "stopped", "succeeded"):
        summary = records.add(request(), new())
        summary.state = state
        records.change(summary, 11.0)
    assert [summary.state for summary in records.live()] == ["running", "restarting"]
    assert [summary.id for summary in records.newest(limit=2)] == ["5", "4"]


def test_a_job_whose_folder_cannot_be_kept_is_not_stored(records: JobRecords):
    def refuse(summary: JobSummary) -> None:
        assert summary.id == "1"
        raise StateFolderError("no room")

    with pytest.raises(StateFolderError, match="no room"):
        records.add(request(), new(), keep=refuse)
    with pytest.raises(RequestRefused, match="there is no job 1") as refused:
        records.get("1")
    assert refused.value.status == 404
    assert records._database.read("SELECT * FROM transitions") == []


def test_a_found_job_keeps_its_id(records: JobRecords):
    records.restore(request(), new("17"))
    assert records.get("17").summary.id == "17"
    assert records.add(request(), new()).id == "18"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("HF_TOKEN", True),
        ("WANDB_API_KEY", True),
        ("AWS_SECRET", True),
        ("PGPASSWORD", True),
        ("MY_PASSWORD_FILE", True),
        ("db_password", True),
        ("TOKEN", True),
        ("TOKENIZERS_PARALLELISM", False),
        ("MONKEY", False),
        ("KEYBOARD", False),
        ("PATH", False),
    ],
)
def test_secrets_are_known_by_name(name: str, secret: bool):
    assert is_secret(name) is secret


def test_secrets_are_left_out(records: JobRecords, tmp_path: Path):
    asked = request(HF_TOKEN="sesame-open", HOME="/home/u")
    records.add(asked, new())
    stored = records.get("1").request
    assert stored == without_secrets(asked)
    assert stored.program.environment == {"HF_TOKEN": "(not stored)", "HOME": "/home/u"}
    assert stored.spec["train"] == {"pad_token": "<pad>"}
    assert lacks_secrets(stored)
    assert not lacks_secrets(asked)
    for path in tmp_path.iterdir():
        assert b"sesame-open" not in path.read_bytes()


def test_secrets_are_left_out_of_nested_tables():
    environment = {
        "python": "/usr/bin/python3",
        "variables": {"hf_token": "sesame", "LR": "1", "PROXY": "http://me:sesame@proxy/"},
        "more": [{"API_KEY": 1234}, "https://me:sesame@proxy/"],
    }
    asked = msgspec.structs.replace(
        request(), spec={"environment": environment, "train": {"x": [{"HF_TOKEN": "sesame"}]}}
    )
    stored = without_secrets(asked)
    assert stored.spec == {
        "environment": {
            "python": "/usr/bin/python3",
            "variables": {"hf_token": NOT_STORED, "LR": "1", "PROXY": NOT_STORED},
            "more": [{"API_KEY": NOT_STORED}, NOT_STORED],
        },
        "train": {"x": [{"HF_TOKEN": NOT_STORED}]},
    }
    assert lacks_secrets(stored)
    assert not lacks_secrets(asked)
