"""The jobs of this node: started, watched, stopped, recorded and told about.

The supervisor understands nothing of what a job does. It may die at any time without harm to a job:
the shims go on, and the next supervisor adopts them from the records and their task folders.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from ..errors import LaunchError, RequestRefused, StateFolderError
from ..protocol.events import Event
from ..protocol.jobs import (
    Curve,
    JobRecord,
    JobRequest,
    JobState,
    JobSummary,
    LogPiece,
    Metric,
    TaskOrder,
    TaskState,
)
from ..records.jobs import JobRecords
from ..records.secrets import lacks_secrets
from .adoption import jobs_on_disk, newest_order, summary_of, task_folder, unrecorded
from .attempt import Attempt
from .follower import Follower
from .leases import grant
from .ledger import Ledger, as_now
from .logs import pieces
from .series import curves
from .taskfolder import TaskFolder
from .words import RUNNING, asked_to_stop

STARTING_PERIOD: Final = 0.1
"""Seconds between looks while a job starts: it is waited for."""

SHOWN_PERIOD: Final = 0.25
"""While somebody shows a job's figures or logs."""

QUIET_PERIOD: Final = 1.0
"""While jobs run and nobody looks closely. Without jobs there is no look at all."""

MOST_POINTS: Final = 10_000

GONE: Final = "its shim is gone without a last word"

Published = JobSummary | Metric | LogPiece


class Job:
    """A job that has not ended."""

    def __init__(
        self, summary: JobSummary, order: TaskOrder, changed: Callable[[], None], folder: TaskFolder
    ) -> None:
        self.summary = summary
        self.order = order
        self.attempt = Attempt(folder, changed)
        self.follower = Follower(folder, order.job, order.attempt)
        self.stopping = False
        self.restarting = summary.state == "restarting"


class Supervisor:
    """Runs jobs. All methods belong to the event loop's thread, except `processes`.

    `publish` is given what changed, after it was stored; `report` is given events. `gpus` says
    which GPUs the node has, by row: their UUIDs.
    """

    def __init__(
        self,
        records: JobRecords,
        state_folder: Path,
        node_id: str,
        *,
        publish: Callable[[Published], None],
        report: Callable[[Event], None] = lambda event: None,
        gpus: Callable[[], Sequence[str]] = tuple,
        grace: float = 10.0,
    ) -> None:
        self.shown_metrics: set[str] = set()
        """Ids of the jobs whose figures somebody shows."""

        self.shown_logs: set[str] = set()
        """Ids of the jobs whose logs somebody shows."""

        self._records = records
        self._run_folder = state_folder / "run"
        self._node = node_id
        self._publish = publish
        self._ledger = Ledger(records, node_id, publish, report)
        self._gpus = gpus
        self._grace = grace
        self._jobs: dict[str, Job] = {}
        self._wake = asyncio.Event()

    # What the agent asks

    @property
    def running(self) -> bool:
        """Whether a job has not ended."""
        return bool(self._jobs)

    def processes(self) -> dict[int, tuple[str, int]]:
        """Job and rank of every running rank, by pid. May be called from any thread."""
        return {
            rank.pid: (job.summary.id, rank.rank)
            for job in list(self._jobs.values())
            if job.attempt.state is not None
            for rank in job.attempt.state.ranks
            if rank.exit_code is None
        }

    def list(self) -> list[JobSummary]:
        """The newest jobs, newest first."""
        return [self._live_or(stored) for stored in self._records.newest()]

    def get(self, job: str) -> JobRecord:
        """All that is known of a job. Raises RequestRefused (404)."""
        record = self._records.get(job)
        folder = self._folder(job, record.summary.attempt).path
        record.folder = str(folder) if folder.is_dir() else None
        if job in self._jobs:
            record.summary = self._jobs[job].summary
            record.results |= self._jobs[job].follower.results
            record.artifacts |= self._jobs[job].follower.artifacts
        return record

    async def series(self, job: str, points: int = 500, rank: int = 0) -> Sequence[Curve]:
        """The curves of a job's present attempt, each with at most `points` points."""
        attempt = self._summary(job, rank).attempt
        folder = self._folder(job, attempt)
        return await asyncio.to_thread(curves, folder, attempt, min(points, MOST_POINTS), rank)

    def logs(
        self, job: str, rank: int | None = None, offset: int | None = None, lines: int = 200
    ) -> Sequence[LogPiece]:
        """What a rank, or every rank, printed: the last lines, or a piece from an offset on."""
        attempt = self._summary(job, rank).attempt
        return pieces(self._folder(job, attempt), (job, attempt), rank, offset, lines)

    async def submit(self, request: JobRequest, user: str) -> JobSummary:
        """Take a job and start it.

        Raises RequestRefused for what this node can never run, RecordsError or StateFolderError
        where the job could not be stored; then nothing has changed.
        """
        held = Counter(row for job in self._jobs.values() for row in job.summary.gpus)
        granted = grant(request, self._gpus(), held)
        summary = JobSummary(
            id="",
            name=request.name,
            kind=request.kind,
            state="queued",
            cause=f"submitted by {user}",
            user=user,
            created=time.time(),
            nodes=[self._node],
            gpus=granted.rows,
            ranks=granted.ranks,
        )
        summary = self._records.add(
            request, summary, above=max(jobs_on_disk(self._run_folder), default=0)
        )
        order = TaskOrder(
            job=summary.id,
            attempt=1,
            user=user,
            created=summary.created,
            request=request,
            ranks=granted.ranks,
            gpus=granted.uuids,
            grace=self._grace,
        )
        try:
            self._begin(summary, order)
        except StateFolderError:
            self._records.forget(summary.id)
            raise
        return as_now(summary)

    async def stop(self, job: str) -> JobSummary:
        """Ask a job to end: its ranks get SIGTERM and, after a grace, SIGKILL."""
        live = self._live(job)
        live.restarting = False
        live.stopping = True
        live.attempt.stop()
        state: JobState = "running" if live.summary.started else "starting"
        self._ledger.change(live.summary, state, asked_to_stop(live.order.grace))
        return as_now(live.summary)

    async def restart(self, job: str) -> JobSummary:
        """A new attempt of a running job; of an ended one, a new job linked to it."""
        if job in self._jobs:
            live = self._jobs[job]
            if not live.restarting:
                live.restarting = True
                live.attempt.stop()
                cause = f"attempt {live.order.attempt} is {asked_to_stop(live.order.grace)}"
                self._ledger.change(live.summary, "restarting", cause)
            return as_now(live.summary)
        record = self._records.get(job)
        order = self._folder(job, record.summary.attempt).read_order()
        request = record.request if order is None else order.request
        if lacks_secrets(request):
            raise RequestRefused(
                f"the task folder of job {job} is gone, and its secrets with it; submit it again",
                status=409,
            )
        again = msgspec.structs.replace(request, source=job)
        return await self.submit(again, record.summary.user)

    # The course of jobs

    async def run(self) -> None:
        """Adopt, if that was not done, then watch until cancelled."""
        self.adopt()
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._period()):
                        await self._wake.wait()
                self._wake.clear()
                await self._look()
        finally:
            for job in self._jobs.values():
                job.attempt.close()

    def _period(self) -> float | None:
        """Seconds until the next look, None for no look before something happens."""
        if not self._jobs:
            return QUIET_PERIOD if self._ledger.behind else None
        if any(job.summary.state in ("starting", "restarting") for job in self._jobs.values()):
            return STARTING_PERIOD
        shown = not self._jobs.keys().isdisjoint(self.shown_metrics | self.shown_logs)
        return SHOWN_PERIOD if shown else QUIET_PERIOD

    async def _look(self) -> None:
        self._ledger.try_again()
        for job in list(self._jobs.values()):
            job.attempt.look()
            if job.attempt.state is not None:
                self._take(job, job.attempt.state)
            self._tell(job)
            if job.attempt.gone:
                await self._conclude(job)

    def _begin(self, summary: JobSummary, order: TaskOrder) -> None:
        """Start an attempt. Raises StateFolderError; a shim that does not start is a failed job."""
        folder = self._folder(order.job, order.attempt)
        folder.create(order)
        self._ledger.show(summary)
        summary.attempt = order.attempt
        summary.started = summary.exit_code = None
        job = Job(summary, order, self._wake.set, folder)
        job.restarting = False
        try:
            job.attempt.start()
        except LaunchError as error:
            self._end(job, "failed", str(error), time.time())
            return
        self._jobs[summary.id] = job
        self._wake.set()
        ranks = "1 rank" if order.ranks == 1 else f"{order.ranks} ranks"
        self._ledger.change(summary, "starting", f"attempt {order.attempt} starts with {ranks}")

    def _take(self, job: Job, state: TaskState) -> None:
        """Bring the summary up to what the shim says, unless it is the end."""
        summary = job.summary
        if state.ranks:
            summary.started = min(rank.started for rank in state.ranks)
        if job.restarting or job.stopping:
            return
        if summary.state == "starting" and summary.started is not None:
            # A short run may be over before anybody looked: it ran none the less.
            self._ledger.change(summary, "running", RUNNING, summary.started)
        if state.state == "running":
            self._ledger.change(summary, "running", state.cause, state.time)

    def _tell(self, job: Job, *, ended: bool = False) -> bool:
        """Publish what the job said since; whether there may be more of it."""
        shown = job.summary.id
        metrics = job.follower.metrics(shown=shown in self.shown_metrics)
        prints = job.follower.prints(shown=shown in self.shown_logs, ended=ended)
        said: list[Metric | LogPiece] = [*metrics, *prints]
        for item in said:
            self._publish(item)
        if job.summary.progress != job.follower.progress:
            job.summary.progress = msgspec.structs.replace(job.follower.progress)
            self._ledger.show(job.summary)
        if job.follower.behind:
            self._wake.set()
        return job.follower.behind or bool(prints)

    async def _conclude(self, job: Job) -> None:
        """The shim has ended: read all that is left to read, then end the job or go on with it."""
        job.attempt.look()
        # Nothing is waited for: others get their turn between the pieces.
        while self._tell(job, ended=True):  # noqa: ASYNC110
            await asyncio.sleep(0)
        job.attempt.close()
        state = job.attempt.state
        if state is None or state.state in ("starting", "running"):
            cleared = await asyncio.to_thread(job.attempt.clear)
            left = f"; {cleared} processes that it left were ended" if cleared else ""
            state_name: JobState = "failed"
            cause, moment = GONE + left, time.time()
        else:
            self._take(job, state)
            state_name, cause, moment = state.state, state.cause, state.time
            job.summary.exit_code = state.exit_code
        if job.restarting:
            self._begin_again(job)
        else:
            self._end(job, state_name, cause, moment)

    def _begin_again(self, job: Job) -> None:
        """The next attempt of a job that was restarted."""
        order = msgspec.structs.replace(job.order, attempt=job.order.attempt + 1)
        del self._jobs[job.summary.id]
        try:
            self._begin(job.summary, order)
        except StateFolderError as error:
            self._end(job, "failed", str(error), time.time())

    def _end(self, job: Job, state: JobState, cause: str, moment: float) -> None:
        self._jobs.pop(job.summary.id, None)
        said = job.follower
        self._ledger.end(job.summary, state, cause, moment, said.results, said.artifacts)

    def adopt(self) -> None:
        """Take over the jobs that an agent before this one started and that have not ended: from
        the records, and from task folders that the records do not know."""
        for order in unrecorded(self._run_folder, self._records.known()):
            self._ledger.restore(order.request, summary_of(order, self._node, self._gpus()))
        for summary in self._records.live():
            if summary.id in self._jobs:
                continue
            found = newest_order(self._run_folder, summary.id)
            if found is None:
                cause = "its task folder is gone, or the agent ended before it was made"
                self._ledger.end(summary, "failed", cause, time.time(), {}, {})
                continue
            summary.attempt = found.attempt
            folder = self._folder(found.job, found.attempt)
            job = self._jobs[summary.id] = Job(summary, found, self._wake.set, folder)
            job.attempt.look()
        self._wake.set()

    def _folder(self, job: str, attempt: int) -> TaskFolder:
        return task_folder(self._run_folder, job, attempt)

    def _live(self, job: str) -> Job:
        if job not in self._jobs:
            ended = self._records.get(job).summary
            raise RequestRefused(f"job {job} has ended: {ended.state}", status=409)
        return self._jobs[job]

    def _live_or(self, stored: JobSummary) -> JobSummary:
        live = self._jobs.get(stored.id)
        return live.summary if live else stored

    def _summary(self, job: str, rank: int | None) -> JobSummary:
        """The summary of a job that has this rank. Raises RequestRefused (404)."""
        summary = self._live_or(self._records.get(job).summary)
        if rank is not None and not 0 <= rank < summary.ranks:
            raise RequestRefused(
                f"job {job} has no rank {rank}; its ranks are 0 to {summary.ranks - 1}", status=404
            )
        return summary
