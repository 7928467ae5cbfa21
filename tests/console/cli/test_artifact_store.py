"""What `llmos artifact` does with bytes: import, files, verify, export, gc."""

import json
import os
import time
from pathlib import Path

import pytest

from llmos.tests.conftest import FrontDoor


@pytest.fixture
def folder(tmp_path: Path, llmos: FrontDoor) -> Path:
    llmos.environment.pop("LLMOS_ARTIFACTS", None)
    made = tmp_path / "data"
    made.mkdir()
    (made / "a.txt").write_text("one")
    (made / "b.txt").write_text("two")
    return made


def imported(llmos: FrontDoor, folder: Path, *words: str) -> str:
    words = ("--name", "data", "--kind", "dataset", *words)
    return llmos("artifact", "import", str(folder), *words).split()[0]


def test_what_is_imported_is_exported_whole(llmos: FrontDoor, folder: Path, tmp_path: Path) -> None:
    assert imported(llmos, folder, "--alias", "best") == "data@1"
    files = json.loads(llmos("artifact", "data@best", "--files", "--json"))["files"]
    assert [(file["path"], file["size"]) for file in files] == [("a.txt", 3), ("b.txt", 3)]
    assert "a.txt" in llmos("artifact", "data", "--files")
    out = tmp_path / "out"
    out.mkdir()
    llmos("artifact", "export", "data@best", str(out))
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        "a.txt": "one",
        "b.txt": "two",
    }
    said = llmos.error("artifact", "export", "data", str(out), code=1)
    assert said == f"{out}: is not empty; name a new folder"


def test_a_flipped_byte_is_found_and_not_exported(
    llmos: FrontDoor, folder: Path, tmp_path: Path
) -> None:
    imported(llmos, folder)
    assert "all are what their digests say" in llmos.run("artifact", "verify").stderr
    (damaged,) = (
        path
        for path in (llmos.state / "artifacts" / "objects").rglob("*")
        if path.is_file() and path.read_text() == "two"
    )
    damaged.chmod(0o600)
    damaged.write_text("twp")
    done = llmos.run("artifact", "verify", "data", code=1)
    assert done.stdout.startswith("data@1: b.txt: no longer matches its digest; remove ")
    assert done.stdout.count("\n") == 1
    assert "1 are damaged" in done.stderr
    llmos.error("artifact", "export", "data", str(tmp_path / "out"), code=1)
    assert not (tmp_path / "out").exists()
    damaged.unlink()
    assert "b.txt: is missing" in llmos.run("artifact", "verify", code=1).stdout


def test_a_model_that_could_run_code_is_not_imported(llmos: FrontDoor, folder: Path) -> None:
    (folder / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"")
    said = llmos.error("artifact", "import", str(folder), "--name", "m", code=1)
    assert "pytorch_model.bin: may be a pickle" in said
    assert json.loads(llmos("artifacts", "--json"))["artifacts"] == []
    assert not list((llmos.state / "artifacts").rglob("*/*/*"))


def test_what_nobody_needs_is_shown_and_then_freed(llmos: FrontDoor, folder: Path) -> None:
    imported(llmos, folder, "--alias", "best")
    (folder / "a.txt").write_text("between")
    imported(llmos, folder)
    (folder / "a.txt").write_text("newest")
    imported(llmos, folder)
    young = llmos.run("artifact", "gc")
    assert young.stdout == ""
    old(llmos)
    told = llmos.run("artifact", "gc")
    assert [line.split()[0] for line in told.stdout.splitlines()] == ["ARTIFACT", "data@2"]
    assert "nothing was changed; --delete does it" in told.stderr
    assert "2 files" not in llmos.run("artifact", "verify").stdout
    assert "forbids" in llmos.error("--readonly", "artifact", "gc", "--delete", code=2)
    done = llmos.run("artifact", "gc", "--delete")
    assert done.stdout == "data@2 is forgotten\n"
    assert done.stderr.startswith("1 files, ")
    left = json.loads(llmos("artifacts", "--json"))["artifacts"]
    assert [one["version"] for one in left] == [3, 1]
    assert "all are what their digests say" in llmos.run("artifact", "verify").stderr
    assert llmos.run("artifact", "gc", "--delete").stdout == ""


def old(llmos: FrontDoor) -> None:
    """Make all that is there two hours old, as the agent's records and the store tell it."""
    import sqlite3

    before = time.time() - 7200
    for path in (llmos.state / "artifacts").rglob("*"):
        os.utime(path, (before, before))
    with sqlite3.connect(llmos.state / "records.sqlite") as connection:
        connection.execute(
            "UPDATE artifacts SET stored = json_set(stored, '$.created', ?)", (before,)
        )
    connection.close()
