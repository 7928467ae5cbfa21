"""The index of artifacts: which versions a name has, where its aliases point, what came from what.

The bytes lie in a store that agents never read: all that is known of them was said by a job's
line, or by a person who imported them.
"""

import math
import sqlite3
from collections.abc import Collection
from typing import Final

import msgspec

from ..errors import RequestRefused
from ..protocol.artifacts import (
    AliasMove,
    ArtifactLine,
    ArtifactVersion,
    Lineage,
    Reference,
    Unneeded,
)
from .database import Database

LISTED: Final = 1000
"""The newest versions that a list holds."""

_LARGEST: Final = 2**63
_BY_A_PERSON: Final = ""
"""Stands for the job where there is none: NULLs would never be the same."""

_VERSIONS: Final = """
    SELECT version, stored, (
        SELECT group_concat(alias) FROM artifact_aliases AS pointing
        WHERE (pointing.name, pointing.version) = (artifacts.name, artifacts.version)
    ) AS aliases
    FROM artifacts
"""

# UNION and not UNION ALL: what was reached before is not gone through again, so that a loop, of
# which content addresses are capable (A became B, and B became A again), has an end, too.
_UP: Final = """
    up (digest) AS (
        VALUES (?)
        UNION SELECT parent FROM artifact_parents JOIN up ON child = up.digest
    )
"""
_DOWN: Final = """
    down (digest) AS (
        VALUES (?)
        UNION SELECT child FROM artifact_parents JOIN down ON parent = down.digest
    )
"""
_EDGES: Final = """
    SELECT child, parent, role FROM artifact_parents
    WHERE child IN up OR parent IN down ORDER BY rowid
"""
_REACHED: Final = "SELECT digest FROM up UNION SELECT digest FROM down"


class ArtifactRecords:
    """The artifacts that one agent knows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(
        self, line: ArtifactLine, job: str | None, user: str, created: float
    ) -> ArtifactVersion:
        """Give what a job has made, or a person imports, the next version of its name.

        The same of the same job is registered once: said again, it changes nothing, and an alias
        that was moved since stays where it is. `line` must be `storable`.
        """
        with self._database.write() as connection:
            known = connection.execute(
                "SELECT version FROM artifacts WHERE (name, digest, job) = (?, ?, ?)",
                (line.name, line.digest, job or _BY_A_PERSON),
            ).fetchone()
            version = known["version"] if known else _insert(connection, line, job, user, created)
        found = self.find(Reference(name=line.name, version=version))
        assert found is not None  # noqa: S101 — it was stored
        return found

    def versions(self, name: str | None = None, limit: int = LISTED) -> list[ArtifactVersion]:
        """The newest versions, of one name or of all, newest first."""
        if name is None:
            return self._found("ORDER BY id DESC LIMIT ?", limit)
        return self._found("WHERE name = ? ORDER BY id DESC LIMIT ?", name, limit)

    def find(self, reference: Reference) -> ArtifactVersion | None:
        """The version that is named; of a name or a digest alone its newest one."""
        name, version = reference.name, reference.version
        if reference.digest is not None:
            found = self._found("WHERE digest = ? ORDER BY id DESC LIMIT 1", reference.digest)
        elif version is not None:
            stored = version if version < _LARGEST else 0
            found = self._found("WHERE (name, version) = (?, ?)", name, stored)
        elif reference.alias is not None:
            where = "WHERE name = ? AND version = (SELECT version FROM artifact_aliases"
            found = self._found(
                f"{where} WHERE (name, alias) = (?, ?))", name, name, reference.alias
            )
        else:
            found = self._found("WHERE name = ? ORDER BY version DESC LIMIT 1", name)
        return found[0] if found else None

    def move_alias(self, name: str, alias: str, move: AliasMove) -> None:
        """Let an alias of a name point to another version, or to none.

        Raises RequestRefused: 409 where it does not point where the asker thinks, 404 where there
        is no such version, 400 for an alias that reads as a version.
        """
        if alias.isdecimal():
            raise RequestRefused(f'alias: expected a name, got "{alias}", which reads as a version')
        with self._database.write() as connection:
            row = connection.execute(
                "SELECT version FROM artifact_aliases WHERE (name, alias) = (?, ?)", (name, alias)
            ).fetchone()
            present = row["version"] if row else None
            if present != move.before:
                raise RequestRefused(
                    f"{name}@{alias} points to {_version(present)} by now, not to "
                    f"{_version(move.before)}; look again with `llmos artifacts {name}`",
                    status=409,
                )
            if move.version is None:
                connection.execute(
                    "DELETE FROM artifact_aliases WHERE (name, alias) = (?, ?)", (name, alias)
                )
                return
            _require_version(connection, name, move.version)
            _point(connection, name, alias, move.version)

    def lineage(self, digest: str) -> Lineage:
        """All that an artifact came from, and all that came from it."""
        around, both = f"WITH RECURSIVE {_UP}, {_DOWN}", (digest, digest)
        edges = self._database.read(f"{around} {_EDGES}", *both)
        return Lineage(
            root=digest,
            versions=self._found(f"WHERE digest IN ({around} {_REACHED}) ORDER BY id", *both),
            edges=[(row["child"], row["parent"], row["role"]) for row in edges],
        )

    def digests_needed(self, jobs: Collection[str] = (), digests: Collection[str] = ()) -> set[str]:
        """What must be kept: what an alias points to or one of `jobs` made, and all it came from.

        `jobs` are the ids of those whose artifacts are to be kept without an alias; `digests` are
        kept as well.
        """
        rows = self._database.read(
            """
            WITH RECURSIVE needed (digest) AS (
                SELECT digest FROM artifacts NATURAL JOIN artifact_aliases
                UNION SELECT digest FROM artifacts WHERE job IN (SELECT value FROM json_each(?))
                UNION SELECT value FROM json_each(?)
                UNION SELECT parent FROM artifact_parents JOIN needed ON child = needed.digest
            )
            SELECT digest FROM needed
            """,
            msgspec.json.encode([job for job in jobs if job]).decode(),
            msgspec.json.encode(sorted(digests)).decode(),
        )
        return {row["digest"] for row in rows}

    def unneeded(self, jobs: Collection[str], digests: Collection[str], before: float) -> Unneeded:
        """What nobody needs and was made before a time, and all that is kept.

        Kept is what an alias points to, the newest version of each name, what `jobs` have made,
        `digests`, and all that those came from.
        """
        newest = self._database.read("SELECT digest, max(version) FROM artifacts GROUP BY name")
        needed = self.digests_needed(jobs, {*digests, *(row["digest"] for row in newest)})
        every = self._found("ORDER BY id")
        young = {one.digest for one in every if one.created >= before}
        kept = {one.digest for one in every if one.digest in needed | young}
        return Unneeded(
            versions=[one for one in every if one.digest not in kept], kept=sorted(kept)
        )

    def forget(self, digests: Collection[str]) -> None:
        """Let go of all versions with these digests, and of what they came from."""
        with self._database.write() as connection:
            for digest in digests:
                connection.execute("DELETE FROM artifacts WHERE digest = ?", (digest,))
                connection.execute("DELETE FROM artifact_parents WHERE child = ?", (digest,))

    def _found(self, condition: str, *values: object) -> list[ArtifactVersion]:
        rows = self._database.read(f"{_VERSIONS} {condition}", *values)
        return [_version_of(row) for row in rows]


def storable(line: ArtifactLine) -> ArtifactLine:
    """A line as it can be stored and sent on: measures that are no numbers are left out.

    Raises ValueError for one that cannot be, or an alias that reads as a version.
    """
    if not all(0 <= number < _LARGEST for number in (line.size, line.files)):
        raise ValueError("size and files: expected whole numbers from 0 on, below 2^63")
    if any(alias.isdecimal() for alias in line.aliases):
        raise ValueError("aliases: expected names, not numbers, which read as versions")
    kept = {name: value for name, value in line.metrics.items() if math.isfinite(value)}
    line = msgspec.structs.replace(line, metrics=kept)
    msgspec.json.encode(line)  # a UnicodeEncodeError is a ValueError, too
    return line


def _insert(
    connection: sqlite3.Connection, line: ArtifactLine, job: str | None, user: str, created: float
) -> int:
    """Store the next version of a name, its aliases and what it came from."""
    (newest,) = connection.execute(
        "SELECT coalesce(max(version), 0) FROM artifacts WHERE name = ?", (line.name,)
    ).fetchone()
    said = {
        name: value for name, value in msgspec.structs.asdict(line).items() if name != "aliases"
    }
    version = ArtifactVersion(**said, version=newest + 1, created=created, job=job, user=user)
    connection.execute(
        "INSERT INTO artifacts (name, version, digest, job, stored) VALUES (?, ?, ?, ?, ?)",
        (
            version.name,
            version.version,
            version.digest,
            job or _BY_A_PERSON,
            msgspec.json.encode(version).decode(),
        ),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO artifact_parents (child, parent, role) VALUES (?, ?, ?)",
        [(line.digest, one.digest, one.role) for one in line.parents if one.digest != line.digest],
    )
    for alias in line.aliases:
        _point(connection, line.name, alias, version.version)
    return version.version


def _point(connection: sqlite3.Connection, name: str, alias: str, version: int) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO artifact_aliases (name, alias, version) VALUES (?, ?, ?)",
        (name, alias, version),
    )


def _require_version(connection: sqlite3.Connection, name: str, version: int) -> None:
    asked = "SELECT 1 FROM artifacts WHERE (name, version) = (?, ?)"
    stored = version if 0 < version < _LARGEST else 0
    if connection.execute(asked, (name, stored)).fetchone() is None:
        raise RequestRefused(
            f"there is no version {version} of {name}; `llmos artifacts {name}` lists them",
            status=404,
        )


def _version_of(row: sqlite3.Row) -> ArtifactVersion:
    version = msgspec.json.decode(row["stored"], type=ArtifactVersion)
    aliases = sorted(row["aliases"].split(",")) if row["aliases"] else []
    return msgspec.structs.replace(version, aliases=aliases)


def _version(number: int | None) -> str:
    return "no version" if number is None else f"version {number}"
