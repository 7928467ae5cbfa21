"""What becomes of jobs, stored first and shown then."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from ...errors import RecordsError
from ...protocol.artifacts import ArtifactLine
from ...protocol.events import Event, Severity
from ...protocol.jobs import JobRequest, JobState, JobSummary
from ...records.artifacts import ArtifactRecords
from ...records.jobs import JobRecords

_SEVERITIES: Final[dict[str, Severity]] = {"failed": "error"}


class Ledger:
    """Enters every change of a job into the records, then publishes it.

    What cannot be stored, as on a full disk, is shown none the less: its task folder knows it, and
    it is stored as soon as that is possible.
    """

    def __init__(
        self,
        records: JobRecords,
        artifacts: ArtifactRecords,
        node: str,
        publish: Callable[[JobSummary], None],
        report: Callable[[Event], None],
    ) -> None:
        self._records = records
        self._artifacts = artifacts
        self._node = node
        self._publish = publish
        self._report = report
        self._unstored: list[Callable[[], object]] = []
        """What stores them, in order: a job is not stored as ended before what it made."""

    @property
    def behind(self) -> bool:
        """Whether something is not stored yet."""
        return bool(self._unstored)

    def change(
        self, summary: JobSummary, state: JobState, cause: str, moment: float | None = None
    ) -> None:
        """The job goes over to a state, or stays in it for another cause."""
        if (summary.state, summary.cause) == (state, cause):
            return
        summary.state, summary.cause = state, cause
        since = time.time() if moment is None else moment
        self._enter(partial(self._records.change, as_now(summary), since))
        self.show(summary)

    def register(self, summary: JobSummary, line: ArtifactLine) -> None:
        """Enter what the job has made."""
        self._enter(partial(self._artifacts.register, line, summary.id, summary.user, time.time()))

    def restore(self, request: JobRequest, summary: JobSummary) -> None:
        """Enter a job that was found in its task folder."""
        try:
            self._records.restore(request, summary)
        except RecordsError as error:
            self._warn(str(error))

    def show(self, summary: JobSummary) -> None:
        """Publish a job as it is now."""
        self._publish(as_now(summary))

    def end(
        self,
        summary: JobSummary,
        state: JobState,
        cause: str,
        moment: float,
        results: dict[str, Any],
        artifacts: dict[str, str],
    ) -> None:
        """The job has ended and left these."""
        summary.ended = moment
        try:
            if results or artifacts:
                self._records.report(summary.id, results, artifacts)
        except RecordsError as error:
            self._warn(str(error))
        self.change(summary, state, cause, moment)
        self._report(
            Event(
                time=moment,
                node=self._node,
                source=f"job {summary.id}",
                what=f"job {state}",
                text=f"{summary.name}: {cause}",
                severity=_SEVERITIES.get(state, "info"),
                job=summary.id,
            )
        )

    def try_again(self) -> None:
        """Store what could not be stored."""
        try:
            self._store()
        except RecordsError:
            return

    def _enter(self, store: Callable[[], object]) -> None:
        self._unstored.append(store)
        told = len(self._unstored) > 1
        try:
            self._store()
        except RecordsError as error:
            if not told:
                self._warn(str(error))

    def _store(self) -> None:
        """In order, as far as it goes. Raises RecordsError."""
        while self._unstored:
            self._unstored[0]()
            self._unstored.pop(0)

    def _warn(self, text: str) -> None:
        self._report(
            Event(
                time=time.time(),
                node=self._node,
                source="database",
                what="records not written",
                text=text,
                severity="error",
            )
        )


def as_now(summary: JobSummary) -> JobSummary:
    """A copy: what was published does not change under its reader."""
    return msgspec.structs.replace(summary, progress=msgspec.structs.replace(summary.progress))
