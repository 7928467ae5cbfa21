"""The database file: made, brought up to date, moved aside when it is of no use."""

import contextlib
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from llmos.agents.errors import RecordsError, StateFolderError
from llmos.agents.records import database
from llmos.agents.records.database import MIGRATIONS, Database


def opened(folder: Path) -> contextlib.closing[Database]:
    return contextlib.closing(Database.open(folder))


def insert(records: Database, events: list[tuple[int, float, str]]) -> None:
    with records.write() as connection:
        connection.executemany("INSERT INTO events VALUES (?, ?, ?)", events)


def test_a_new_one_is_private_and_up_to_date(tmp_path: Path):
    with opened(tmp_path) as records:
        assert records.read("PRAGMA user_version")[0][0] == len(MIGRATIONS)
        assert records.read("PRAGMA journal_mode")[0][0] == "wal"
        assert records.moved_aside is None
        assert records.path.stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "records.sqlite-wal").stat().st_mode & 0o777 == 0o600


def test_what_was_written_is_there_again(tmp_path: Path):
    with opened(tmp_path) as records, records.write() as connection:
        connection.execute("INSERT INTO events (time, event) VALUES (1, 'x')")
    with opened(tmp_path) as records:
        assert [row["event"] for row in records.read("SELECT event FROM events")] == ["x"]


def test_a_transaction_is_all_or_nothing(tmp_path: Path):
    with opened(tmp_path) as records:
        with pytest.raises(RecordsError, match="UNIQUE"):
            insert(records, [(1, 1.0, "x"), (2, 1.0, "y"), (1, 1.0, "z")])
        assert records.read("SELECT * FROM events") == []


def test_an_older_schema_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with opened(tmp_path) as records, records.write() as connection:
        connection.execute("INSERT INTO events (time, event) VALUES (1, 'x')")
    further = "ALTER TABLE events ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;"
    monkeypatch.setattr(database, "MIGRATIONS", (*MIGRATIONS, further))
    with opened(tmp_path) as records:
        assert records.read("SELECT seen FROM events")[0]["seen"] == 0
        assert records.read("PRAGMA user_version")[0][0] == len(MIGRATIONS) + 1


def test_a_newer_schema_is_left_alone(tmp_path: Path):
    with opened(tmp_path) as records, records.write() as connection:
        connection.execute("PRAGMA user_version = 999")
    with pytest.raises(RecordsError, match=r"newer llmos.*--state DIR"):
        Database.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["records.sqlite"]


def zeros_inside(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xee" * 4096)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"this is no database" * 1000),
        zeros_inside,
        lambda path: os.truncate(path, path.stat().st_size - 8192),
    ],
    ids=["another file", "a page overwritten", "truncated"],
)
def test_a_corrupt_one_is_moved_aside_and_a_new_one_made(tmp_path: Path, damage):
    with opened(tmp_path) as records, records.write() as connection:
        for _ in range(200):
            connection.execute("INSERT INTO events (time, event) VALUES (1, ?)", ("x" * 500,))
    damage(tmp_path / "records.sqlite")
    damaged = (tmp_path / "records.sqlite").read_bytes()
    with opened(tmp_path) as records:
        assert records.moved_aside is not None
        assert records.moved_aside.name.startswith("records.corrupt-2")
        assert records.moved_aside.read_bytes() == damaged
        assert records.read("SELECT * FROM events") == []
    with opened(tmp_path) as records:
        assert records.moved_aside is None


def test_a_folder_that_is_none_says_what_to_do(tmp_path: Path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(StateFolderError, match=r"cannot write the records.*--state DIR"):
            Database.open(folder)


def test_a_full_disk_says_what_to_do(tmp_path: Path):
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no small disk here: {mounted.stderr.strip()}")
    try:
        with opened(tmp_path) as records:
            with pytest.raises(RecordsError, match="free space"):
                insert(records, [(number, 1.0, "x" * 1000) for number in range(1000)])
            assert records.read("SELECT * FROM events") == []
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_a_second_writer_is_told_so(tmp_path: Path):
    with opened(tmp_path) as records:
        other = sqlite3.connect(tmp_path / "records.sqlite", isolation_level=None)
        with contextlib.closing(other):
            other.execute("BEGIN IMMEDIATE")
            records.read("PRAGMA busy_timeout = 10")
            with pytest.raises(RecordsError, match="locked"):
                insert(records, [(1, 1.0, "x")])
