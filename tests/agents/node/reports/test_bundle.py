"""The archive of a job: what is in it, and that no secret is, wherever it was printed."""

import io
import json
import os
import tarfile
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from llmos.agents.node.reports import bundle
from llmos.agents.node.reports.aftermath import keep
from llmos.agents.node.reports.bundle import WHAT_IS_WHAT, Contents, build
from llmos.agents.node.task.taskfolder import TaskFolder
from llmos.agents.protocol.events import Event
from llmos.agents.protocol.facts import NodeFacts
from llmos.agents.protocol.jobs import (
    Curve,
    JobRecord,
    JobRequest,
    JobState,
    JobSummary,
    Program,
    RankStacks,
    RankState,
    TaskOrder,
    TaskState,
)
from llmos.agents.protocol.samples import pack_sample
from llmos.agents.records.secrets import without_secrets

SECRET = "hf_0123456789abcdef"
FACTS = NodeFacts(slot=0, node="n1", hostname="host")
REQUEST = JobRequest(
    kind="command",
    name="tiny",
    program=Program(
        arguments=["x.py"],
        environment={"HF_TOKEN": SECRET, "SHORT_KEY": "abc"},
        setup=f"export HF_TOKEN={SECRET}",
    ),
    spec={"kind": "command", "environment": {"MY_TOKEN": SECRET}},
)


class Job:
    """A job of two ranks in its folder, as supervisor, shim and ranks leave it."""

    def __init__(self, path: Path, attempts: int = 1, state: JobState = "failed") -> None:
        self.folders = [TaskFolder(path / "7" / f"a{n + 1}") for n in range(attempts)]
        for number, folder in enumerate(self.folders, start=1):
            folder.create(_order(number))
            for rank in range(2):
                folder.log(rank).write_text(f"start of {rank}\nHF_TOKEN={SECRET}\nend of {rank}\n")
                folder.progress(rank).write_text(f'{{"what": "metric", "loss": {rank}.5}}\n')
            folder.shim_log.write_text(f"env: {SECRET!r}\n")
            folder.state.write_bytes(msgspec.json.encode(_state()))
        summary = JobSummary(
            id="7",
            name="tiny",
            kind="command",
            state=state,
            cause=f"rank 0 said {SECRET}",
            user="u",
            created=1000.0,
            ended=2000.0 if state == "failed" else None,
            attempt=attempts,
            ranks=2,
        )
        self.record = JobRecord(
            summary=summary,
            request=without_secrets(REQUEST),
            folder=str(self.folders[-1].path),
        )


def _order(attempt: int) -> TaskOrder:
    return TaskOrder(job="7", attempt=attempt, user="u", created=1000.0, request=REQUEST, ranks=2)


def _state() -> TaskState:
    return TaskState(
        state="failed",
        cause=f"rank 0 said {SECRET}",
        time=2000.0,
        shim=1,
        shim_ticks=1,
        boot="b",
        ranks=[RankState(rank=0, pid=2, started=1001.0, exit_code=1, ticks=3)],
    )


def unpacked(pieces: Sequence[bytes]) -> dict[str, bytes]:
    assert all(pieces), "an empty piece ends what is sent"
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces)), mode="r:gz") as archive:
        files = {}
        for member in archive:
            assert member.mode == 0o600
            content = archive.extractfile(member)
            assert content is not None
            top, _, name = member.name.partition("/")
            assert top == "llmos-job-7"
            files[name] = content.read()
    return files


def of(contents: Contents) -> dict[str, bytes]:
    files = unpacked(list(build(contents)))
    assert all(SECRET.encode() not in content for content in files.values())
    return files


def sample(moment: float) -> tuple[float, bytes]:
    return moment, pack_sample([{"slot": 0, "cpu": 50}], [])


def test_all_that_is_known_is_in_it_and_the_secret_nowhere(tmp_path: Path) -> None:
    job = Job(tmp_path)
    (folder,) = job.folders
    folder.stacks(0).write_text(f"Thread 0x1\n  {SECRET}\n")
    folder.exit_note(0).write_text(json.dumps({"exit_code": 1, "exception": f"E: {SECRET}"}))
    folder.launcher.write_text("{}\n")
    folder.sources.write_text("[]\n")
    assert keep(folder, FACTS, [sample(1999.0)])
    files = of(
        Contents(
            record=job.record,
            facts=FACTS,
            stacks=[RankStacks(rank=0, pid=2, state="sleeping", text=SECRET)],
            curves=[Curve(name="loss", rank=0, attempt=1, values=[1.0])],
        )
    )
    assert files["a1/logs/rank-1.log"] == b"start of 1\nHF_TOKEN=(not stored)\nend of 1\n"
    assert json.loads(files["job.json"])["request"]["program"]["environment"] == {
        "HF_TOKEN": "(not stored)",
        "SHORT_KEY": "(not stored)",
    }
    assert json.loads(files["a1/state.json"])["cause"] == "rank 0 said (not stored)"
    assert json.loads(files["a1/samples.jsonl"])["node"]["cpu"] == 50
    assert files["a1/logs/merged.log"].count(b"(not stored)") >= 1
    assert b"end of 0" in files["a1/logs/merged.log"]
    assert "a1/order.json" not in files, "it holds the secrets"
    assert "a1/spec.json" not in files
    for name, _ in WHAT_IS_WHAT:
        there = [known for known in files if known.startswith(name.replace("aN", "a1"))]
        assert there, f"{name} is in the README and nowhere else"
        assert name in files["README.txt"].decode()
    known = [name.replace("aN", "a1") for name, _ in WHAT_IS_WHAT]
    for file in files.keys() - {"README.txt"}:
        assert any(file.startswith(name) for name in known), f"{file} is not in the README"


def test_events_are_those_of_the_job_and_of_its_time(tmp_path: Path) -> None:
    def event(moment: float, what: str, job: str | None = None) -> Event:
        return Event(time=moment, node="n1", source="gpu 0", what=what, text="t", job=job)

    events = [event(1.0, "long ago"), event(2.0, "of the job", "7"), event(1500.0, "meanwhile")]
    files = of(Contents(record=Job(tmp_path).record, facts=FACTS, events=events))
    assert [one["what"] for one in json.loads(files["events.json"])] == ["of the job", "meanwhile"]


def test_samples_of_another_time_say_nothing_of_an_end(tmp_path: Path) -> None:
    samples = [sample(1000.0), sample(1990.0), sample(9000.0)]
    files = of(Contents(record=Job(tmp_path).record, facts=FACTS, samples=samples))
    (line,) = files["a1/samples.jsonl"].splitlines()
    assert json.loads(line)["time"] == 1990.0


def test_of_a_long_log_the_end_is_taken_and_no_piece_of_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(tmp_path)
    tail = b"x" * 40 + b"the end\n"
    for cut in range(1, len(SECRET)):
        monkeypatch.setattr(bundle, "FILE_LIMIT", len(tail) + cut)
        job.folders[0].log(0).write_bytes(b"y" * 999 + SECRET.encode() + tail)
        files = of(Contents(record=job.record, facts=FACTS))
        assert files["a1/logs/rank-0.log"].endswith(b"xthe end\n")
        assert SECRET.encode()[-cut:] not in files["a1/logs/rank-0.log"].partition(b"x")[0]


def test_of_a_log_that_grows_no_half_written_secret_is_taken(tmp_path: Path) -> None:
    job = Job(tmp_path, state="running")
    for written in range(1, len(SECRET) + 1):
        job.folders[0].log(0).write_bytes(b"a line\nHF_TOKEN=" + SECRET.encode()[:written])
        files = of(Contents(record=job.record, facts=FACTS))
        for name in ("rank-0.log", "merged.log"):
            text = files[f"a1/logs/{name}"]
            assert b"a line" in text
            assert b"=" + SECRET.encode()[:written] not in text


def test_earlier_attempts_are_in_it_with_less_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "ATTEMPTS", 2)
    files = of(Contents(record=Job(tmp_path, attempts=3).record, facts=FACTS))
    assert {name.split("/")[0] for name in files if "/" in name} == {"a2", "a3"}
    assert b"start of 0" in files["a2/logs/rank-0.log"]
    assert "a2/logs/merged.log" not in files


def test_what_an_attempt_wrote_is_left_out_where_its_secrets_are_not_known(tmp_path: Path) -> None:
    job = Job(tmp_path, attempts=2)
    job.folders[1].order.write_text("{")
    files = of(Contents(record=job.record, facts=FACTS))
    assert not any(name.startswith("a2/") for name in files)
    assert b"Without a2: their secrets are not known" in files["README.txt"]


def test_a_job_whose_folder_is_gone_is_still_told(tmp_path: Path) -> None:
    record = msgspec.structs.replace(Job(tmp_path).record, folder=None)
    files = unpacked(list(build(Contents(record=record, facts=FACTS))))
    assert set(files) == {"README.txt", "job.json", "spec.json", "events.json"}
    assert b"folder is gone" in files["README.txt"]


def test_links_are_not_followed_and_pipes_not_waited_for(tmp_path: Path) -> None:
    job = Job(tmp_path)
    (folder,) = job.folders
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("somebody's own")
    folder.log(5).symlink_to(elsewhere)
    os.mkfifo(folder.log(6))
    launched = folder.path / "launcher.jsonl"
    launched.unlink()
    launched.mkdir()
    files = of(Contents(record=job.record, facts=FACTS))
    assert "a1/logs/rank-5.log" not in files
    assert "a1/logs/rank-6.log" not in files
    assert "a1/launcher.jsonl" not in files


def test_the_agents_own_secrets_do_not_leave_with_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTS_TOKEN", "of-the-agent")
    job = Job(tmp_path)
    job.folders[0].log(0).write_text("inherited: of-the-agent\n")
    files = of(Contents(record=job.record, facts=FACTS))
    assert files["a1/logs/rank-0.log"] == b"inherited: (not stored)\n"


def test_large_logs_are_sent_as_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "FILE_LIMIT", 2**20)
    monkeypatch.setattr(bundle, "MERGED_LINES", 100)
    job = Job(tmp_path)
    for rank in range(16):
        lines = (os.urandom(64).hex() + "\n" for _ in range(8500))
        job.folders[0].log(rank).write_text("".join(lines))
    tracemalloc.start()
    files = sum(len(content) for _, content in bundle.parts(Contents(job.record, FACTS)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert files > 16 * 2**20
    assert peak < files / 2
