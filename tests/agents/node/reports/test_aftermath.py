"""What the node measured around an end, kept in the task folder."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from llmos.agents.node.reports.aftermath import AFTER, BEFORE, MOST_SAMPLES, keep, window
from llmos.agents.node.task.taskfolder import TaskFolder
from llmos.agents.protocol.facts import GpuFacts, NodeFacts
from llmos.agents.protocol.samples import pack_sample

FACTS = NodeFacts(slot=0, node="n1", hostname="host", gpus=[GpuFacts(index=0, name="H100")])


def sample(moment: float) -> tuple[float, bytes]:
    node = {"slot": 0, "cpu": 12.5}
    gpu = {"slot": 0, "index": 0, "utilization": 97}
    return moment, pack_sample([node], [gpu])


@pytest.fixture
def folder(tmp_path: Path) -> TaskFolder:
    return TaskFolder(tmp_path)


def test_facts_and_samples_are_kept_as_json_with_null_for_what_is_not_known(
    folder: TaskFolder,
) -> None:
    assert keep(folder, FACTS, [sample(100.0), sample(101.0)])
    assert json.loads(folder.facts.read_text())["gpus"][0]["name"] == "H100"
    first, second = map(json.loads, folder.samples.read_text().splitlines())
    assert (first["time"], second["time"]) == (100.0, 101.0)
    assert first["node"]["cpu"] == 12.5
    assert first["gpus"][0]["utilization"] == 97
    assert first["gpus"][0]["temperature"] is None
    assert "slot" not in first["node"]
    assert {path.name for path in folder.path.iterdir()} == {"facts.json", "samples.jsonl"}


def test_of_too_many_samples_the_newest_are_kept_and_broken_ones_passed_over(
    folder: TaskFolder,
) -> None:
    many = [sample(float(moment)) for moment in range(MOST_SAMPLES + 9)]
    assert keep(folder, FACTS, [*many, (9e9, b"?")])
    lines = folder.samples.read_text().splitlines()
    assert len(lines) == MOST_SAMPLES - 1
    assert json.loads(lines[-1])["time"] == MOST_SAMPLES + 8


def test_what_is_kept_again_takes_the_place_of_the_first(folder: TaskFolder) -> None:
    assert keep(folder, FACTS, [sample(1.0)])
    assert keep(folder, FACTS, [sample(2.0)])
    assert json.loads(folder.samples.read_text())["time"] == 2.0


def test_the_window_begins_with_the_task_at_the_earliest() -> None:
    assert window(1000.0) == (1000.0 - BEFORE, 1000.0 + AFTER)
    assert window(1000.0, started=500.0).first == 1000.0 - BEFORE
    assert window(1000.0, started=990.0).first == 990.0 - AFTER


def test_a_folder_that_is_gone_is_no_error(folder: TaskFolder) -> None:
    assert not keep(TaskFolder(folder.path / "gone"), FACTS, [sample(1.0)])


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_on_a_full_disk_neither_file_is_left(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("may not mount")
    try:
        folder = TaskFolder(tmp_path)
        assert not keep(folder, FACTS, [sample(float(moment)) for moment in range(300)])
        assert list(tmp_path.iterdir()) == []
        assert keep(folder, FACTS, [sample(1.0)])
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
