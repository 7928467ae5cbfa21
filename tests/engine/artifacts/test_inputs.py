"""Artifacts that a job reads: named in a spec, copied beside the attempts, checked."""

import json
from pathlib import Path

import pytest

from llmos.agents.errors import LaunchError, SpecError
from llmos.agents.protocol.artifacts import Parent
from llmos.engine.artifacts.inputs import folder_of, is_artifact, references
from llmos.engine.artifacts.store import Store


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The task folder of an attempt that reads `reviews@champion`."""
    made = tmp_path / "made"
    made.mkdir()
    (made / "dataset.json").write_text("{}")
    store = Store(tmp_path / "store")
    digest = store.publish(made).digest
    folder = tmp_path / "run" / "7" / "a1"
    folder.mkdir(parents=True)
    monkeypatch.setenv("LLMOS_TASK", str(folder))
    inputs = {"reviews@champion": {"digest": digest, "uri": store.uri}}
    monkeypatch.setenv("LLMOS_INPUTS", json.dumps(inputs))
    return folder


def test_an_artifact_is_copied_once_for_all_attempts(
    task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, parent = folder_of("artifact:reviews@champion")
    assert parent is not None
    assert parent.role == "data"
    assert folder == task.parent / "inputs" / parent.digest.removeprefix("sha256:")
    assert (folder / "dataset.json").read_text() == "{}"
    copied = (folder / "dataset.json").stat().st_ino
    monkeypatch.setenv("LLMOS_TASK", str(task.with_name("a2")))
    again, role = folder_of("artifact:reviews@champion", "base model")
    assert (again, role) == (folder, Parent(parent.digest, "base model"))
    assert (again / "dataset.json").stat().st_ino == copied


def test_a_path_stays_a_path() -> None:
    assert folder_of("/data/reviews") == (Path("/data/reviews"), None)
    assert not is_artifact("/data/artifact:x")


def test_what_no_agent_has_pinned_is_refused(task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LaunchError, match=r"artifact:other: is read by a job that an agent"):
        folder_of("artifact:other")
    monkeypatch.delenv("LLMOS_TASK")
    with pytest.raises(LaunchError, match="submit it, or name a folder"):
        folder_of("artifact:reviews@champion")


def test_bytes_that_no_longer_match_are_refused_and_nothing_is_left(task: Path) -> None:
    objects = task.parent.parent.parent / "store" / "objects"
    (damaged,) = (path for path in objects.rglob("*") if path.is_file())
    damaged.write_text("[]")
    with pytest.raises(LaunchError, match=r"reviews@champion: dataset.json: no longer matches"):
        folder_of("artifact:reviews@champion")
    assert not [path for path in (task.parent / "inputs").iterdir() if path.is_dir()]


def test_references_are_found_at_any_depth_and_checked() -> None:
    table = {"a": [{"b": "artifact:x@2"}, "artifact:y"], "c": {"d": "artifact:x@2"}, "e": 1}
    assert list(references(table)) == ["x@2", "y", "x@2"]
    with pytest.raises(SpecError, match=r"^\$\.a\[0\]\.b: after artifact: expected NAME"):
        list(references({"a": [{"b": "artifact:x y"}]}))
