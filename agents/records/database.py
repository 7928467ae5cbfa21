"""The agent's database: one SQLite file, one writer, steps that bring an older one up to date."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ..errors import RecordsError, StateFolderError

NAME: Final = "records.sqlite"

MIGRATIONS: Final = (
    """
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        state TEXT NOT NULL,
        summary TEXT NOT NULL,
        request TEXT NOT NULL,
        results TEXT NOT NULL DEFAULT '{}',
        artifacts TEXT NOT NULL DEFAULT '{}'
    ) STRICT;
    CREATE INDEX jobs_by_state ON jobs (state);
    CREATE TABLE transitions (
        job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        time REAL NOT NULL,
        state TEXT NOT NULL,
        cause TEXT NOT NULL
    ) STRICT;
    CREATE INDEX transitions_by_job ON transitions (job);
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        time REAL NOT NULL,
        event TEXT NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE artifacts (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        digest TEXT NOT NULL,
        job TEXT NOT NULL,
        stored TEXT NOT NULL,
        UNIQUE (name, version),
        UNIQUE (name, digest, job)
    ) STRICT;
    CREATE INDEX artifacts_by_digest ON artifacts (digest);
    CREATE TABLE artifact_aliases (
        name TEXT NOT NULL,
        alias TEXT NOT NULL,
        version INTEGER NOT NULL,
        PRIMARY KEY (name, alias),
        FOREIGN KEY (name, version) REFERENCES artifacts (name, version)
    ) STRICT;
    CREATE TABLE artifact_parents (
        child TEXT NOT NULL,
        parent TEXT NOT NULL,
        role TEXT NOT NULL,
        UNIQUE (child, parent, role)
    ) STRICT;
    CREATE INDEX artifact_parents_by_parent ON artifact_parents (parent);
    """,
)
"""A step takes the schema from the version that is its position to the next. Never change one that
was released; add another."""

_CORRUPT: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_FULL: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


class Database:
    """The open database. Use from one thread."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, moved_aside: Path | None
    ) -> None:
        self.path = path
        self.moved_aside = moved_aside
        """Where a corrupt database was put, if that is what was found. Whoever opens says so."""

        self._connection = connection

    @classmethod
    def open(cls, folder: Path) -> "Database":
        """The database in a state folder, made where there is none.

        A corrupt one is moved aside and a new one made. Raises StateFolderError where the folder
        cannot be written, RecordsError where the database is of a newer llmos.
        """
        path = folder / NAME
        moved_aside = None
        try:
            try:
                connection = _connect(path)
            except sqlite3.DatabaseError as error:
                if not _is_corrupt(error):
                    raise
                moved_aside = _move_aside(path)
                connection = _connect(path)
        except (sqlite3.Error, OSError) as error:
            raise StateFolderError(
                f"cannot write the records in {folder}: {error}; "
                "free space, make it writable, or name another folder with --state DIR"
            ) from error
        return cls(path, connection, moved_aside)

    def close(self) -> None:
        """Write everything to the one file and let go of it."""
        self._connection.close()

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it or, on any error, nothing. Raises RecordsError."""
        try:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
        except sqlite3.Error as error:
            raise RecordsError(_advice(self.path, error)) from error

    def read(self, query: str, *values: object) -> list[sqlite3.Row]:
        """The rows of a query. Raises RecordsError."""
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise RecordsError(_advice(self.path, error)) from error


def _connect(path: Path) -> sqlite3.Connection:
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    try:
        connection.row_factory = sqlite3.Row
        _check(connection, path)
        # Whole after any crash; what a power cut takes, the task folders still know.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    version = _version(connection)
    if version > len(MIGRATIONS):
        raise RecordsError(
            f"{path} is of a newer llmos (schema {version}, this one knows {len(MIGRATIONS)}); "
            "update llmos or name another folder with --state DIR"
        )
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        error = sqlite3.DatabaseError(found)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _migrate(connection: sqlite3.Connection) -> None:
    for version in range(_version(connection), len(MIGRATIONS)):
        connection.executescript(
            f"BEGIN IMMEDIATE; {MIGRATIONS[version]}; PRAGMA user_version = {version + 1}; COMMIT;"
        )


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _move_aside(path: Path) -> Path:
    """Give the files of a database a name that says since when they are of no use."""
    date = time.strftime("%Y%m%d-%H%M%S")
    moved = path.with_name(f"records.corrupt-{date}.sqlite")
    for suffix in ("-wal", "-shm", ""):
        source = path.with_name(path.name + suffix)
        if source.exists():
            source.replace(moved.with_name(moved.name + suffix))
    return moved


def _is_corrupt(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _CORRUPT


def _advice(path: Path, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _FULL:
        return f"cannot write {path}: {error}; free space on its disk"
    if code in _CORRUPT:
        return f"{path} is corrupt: {error}; restart the agent, which moves it aside"
    return f"cannot use {path}: {error}"
