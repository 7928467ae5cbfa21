"""Jobs and how they got where they are. Samples, metrics and logs are never stored here."""

import re
import sqlite3
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec

from ..errors import RequestRefused
from ..protocol.jobs import ENDED, JobRecord, JobRequest, JobState, JobSummary, Transition
from .database import Database
from .secrets import without_secrets

LISTED: Final = 1000
"""The newest jobs that a list holds."""

_LIVE: Final = f"state NOT IN ({', '.join(repr(state) for state in sorted(ENDED))})"


class JobRecords:
    """The jobs of one agent, by id: "1", "2", …"""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        request: JobRequest,
        summary: JobSummary,
        above: int = 0,
        keep: Callable[[JobSummary], None] | None = None,
    ) -> JobSummary:
        """Store a new job under the next id, which is higher than `above` and never used again.

        The summary is returned with its id. Secrets of the request are left out. `keep` stores
        elsewhere what belongs to the job; where it raises, the job is not stored either.
        """
        with self._database.write() as connection:
            row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'")
            (last,) = row.fetchone() or (0,)
            summary = msgspec.structs.replace(summary, id=str(max(last, above) + 1))
            _insert(connection, request, summary)
            if keep is not None:
                keep(summary)
        return summary

    def restore(self, request: JobRequest, summary: JobSummary) -> None:
        """Store a job that has its id already, found in its task folder."""
        with self._database.write() as connection:
            _insert(connection, request, summary)

    def change(self, summary: JobSummary, time: float) -> None:
        """Store a transition: the summary's state and cause, since `time`."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, summary = ? WHERE id = ?",
                (summary.state, _text(summary), int(summary.id)),
            )
            _insert_transition(connection, summary, time)

    def report(self, job: str, results: dict[str, Any], artifacts: dict[str, str]) -> None:
        """Store what a job's program reported."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE jobs SET results = ?, artifacts = ? WHERE id = ?",
                (_text(results), _text(artifacts), int(job)),
            )

    def get(self, job: str) -> JobRecord:
        """All that is stored of a job. Raises RequestRefused (404) where there is none."""
        rows = self._database.read("SELECT * FROM jobs WHERE id = ?", _number(job))
        if not rows:
            raise RequestRefused(f"there is no job {job}; `llmos jobs` lists them", status=404)
        row = rows[0]
        transitions = self._database.read(
            "SELECT time, state, cause FROM transitions WHERE job = ? ORDER BY rowid", _number(job)
        )
        return JobRecord(
            summary=msgspec.json.decode(row["summary"], type=JobSummary),
            request=msgspec.json.decode(row["request"], type=JobRequest),
            transitions=[Transition(**dict(one)) for one in transitions],
            results=msgspec.json.decode(row["results"]),
            artifacts=msgspec.json.decode(row["artifacts"]),
        )

    def state(self, job: str) -> JobState | None:
        """The state of a job, None where there is none of that id."""
        rows = self._database.read("SELECT state FROM jobs WHERE id = ?", _number(job))
        return cast("JobState", rows[0]["state"]) if rows else None

    def newest(self, limit: int = LISTED) -> list[JobSummary]:
        """The newest jobs, newest first."""
        return self._summaries("SELECT summary FROM jobs ORDER BY id DESC LIMIT ?", limit)

    def live(self) -> list[JobSummary]:
        """The jobs that have not ended, oldest first."""
        return self._summaries(f"SELECT summary FROM jobs WHERE {_LIVE} ORDER BY id")  # noqa: S608

    def known(self) -> set[str]:
        """The ids of every stored job."""
        return {str(row["id"]) for row in self._database.read("SELECT id FROM jobs")}

    def _summaries(self, query: str, *values: object) -> list[JobSummary]:
        rows = self._database.read(query, *values)
        return [msgspec.json.decode(row["summary"], type=JobSummary) for row in rows]


def _insert(connection: sqlite3.Connection, request: JobRequest, summary: JobSummary) -> None:
    connection.execute(
        "INSERT INTO jobs (id, state, summary, request) VALUES (?, ?, ?, ?)",
        (int(summary.id), summary.state, _text(summary), _text(without_secrets(request))),
    )
    _insert_transition(connection, summary, summary.created)


def _insert_transition(connection: sqlite3.Connection, summary: JobSummary, time: float) -> None:
    connection.execute(
        "INSERT INTO transitions (job, time, state, cause) VALUES (?, ?, ?, ?)",
        (int(summary.id), time, summary.state, summary.cause),
    )


def _number(job: str) -> int:
    """The id as stored; of what is no id, one that no job has."""
    return int(job) if re.fullmatch(r"[1-9][0-9]{0,15}", job) else 0


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
