"""A disk that takes nothing any more: jobs end as they would, and nothing new is half begun."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from llmos.agents.errors import RecordsError, StateFolderError
from llmos.agents.node.jobs.ledger import Ledger
from llmos.agents.protocol.artifacts import ArtifactLine
from llmos.agents.protocol.jobs import JobRequest, JobSummary, Program
from llmos.agents.records.artifacts import ArtifactRecords
from llmos.agents.records.database import Database
from llmos.agents.records.jobs import JobRecords

if TYPE_CHECKING:
    from llmos.agents.protocol.events import Event

Script = Callable[[str], str]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no small disk here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> None:
    """Take what is free, to the last block."""
    with (disk / "filler").open("ab", 0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(4096))


async def test_a_job_tells_its_end_on_a_full_disk(small_disk, late_node, script: Script):
    node = late_node(state=small_disk)
    await node.submit([script("import time; time.sleep(0.7); raise SystemExit(3)")])
    await node.until_state("1", "running")

    def ended_while_filled() -> bool:
        fill(small_disk)
        return not node.supervisor.running

    await node.until(ended_while_filled)
    assert node.folder("1").read_state().exit_code == 3
    assert node.published[-1].state == "failed"
    (small_disk / "filler").unlink()
    record = await node.until_state("1", "failed")
    assert [one.state for one in record.transitions] == ["queued", "starting", "running", "failed"]


def test_what_cannot_be_stored_is_shown_and_stored_later(small_disk: Path):
    shown: list[JobSummary] = []
    events: list[Event] = []
    with contextlib.closing(Database.open(small_disk)) as database:
        records = JobRecords(database)
        artifacts = ArtifactRecords(database)
        ledger = Ledger(records, artifacts, "node-1", shown.append, events.append)
        request = JobRequest(kind="command", name="x", program=Program(arguments=["x.py"]))
        summary = JobSummary(
            id="", name="x", kind="command", state="queued", cause="new", user="u", created=1.0
        )
        summary = records.add(request, summary)
        fill(small_disk)
        for moment in range(2, 6):
            ledger.change(summary, "running", f"{moment}" * 20_000, float(moment))
        made = ArtifactLine(name="m", kind="model", digest=f"sha256:{'0' * 64}", uri="file:///a")
        ledger.register(summary, made)
        assert ledger.behind
        assert len(shown) == 4
        assert [event.what for event in events] == ["records not written"]
        assert events[0].text.endswith("free space on its disk")
        (small_disk / "filler").unlink()
        ledger.try_again()
        assert bool(ledger.behind) is False
        assert [one.time for one in records.get("1").transitions] == [1, 2, 3, 4, 5]
        assert [one.job for one in artifacts.versions("m")] == ["1"]


async def test_a_job_that_cannot_be_stored_is_not_begun(small_disk, late_node, script: Script):
    node = late_node(state=small_disk)
    await node.submit([script("pass")])
    await node.ended("1")
    before = sorted(path for path in small_disk.rglob("*") if "records" not in path.name)
    fill(small_disk)
    with pytest.raises((RecordsError, StateFolderError), match="free space"):
        await node.submit([script("pass")], environment={"LONG": "x" * 100_000})
    (small_disk / "filler").unlink()
    assert sorted(p for p in small_disk.rglob("*") if "records" not in p.name) == before
    assert [summary.id for summary in node.supervisor.list()] == ["1"]
    assert not node.supervisor.running
