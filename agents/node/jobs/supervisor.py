"""What an agent does with jobs when asked: take, show, stop, restart, hold, release.

The course of jobs, which goes on unasked, is the matter of `course`.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from ...errors import RecordsError, RequestRefused
from ...protocol.events import Event
from ...protocol.jobs import (
    Curve,
    JobRecord,
    JobRequest,
    JobState,
    JobSummary,
    LogLine,
    LogPiece,
    RankStacks,
)
from ...records.artifacts import ArtifactRecords
from ...records.jobs import JobRecords
from ...records.secrets import lacks_secrets
from ..reports import stacks
from ..reports.logs import pieces
from ..reports.merged import merged
from ..reports.series import curves, curves_of_all
from ..task.taskfolder import TaskFolder
from ..task.words import asked_to_stop
from .adoption import (
    attempts_of,
    drop_request,
    jobs_on_disk,
    keep_request,
    kept_request,
    task_folder,
)
from .course import Course, Published
from .inputs import pinned, with_inputs
from .ledger import Ledger, as_now
from .livejob import LiveJob
from .occupancy import GpuUse
from .queue import refuse_impossible, settled

GPUS_PATIENCE: Final = 3.0
"""Seconds that a job waits to be taken while the driver is being opened."""

MOST_POINTS: Final = 10_000
MOST_LINES: Final = 10_000


def _nothing(summary: JobSummary, folder: TaskFolder) -> None:
    return


class Supervisor:
    """Runs jobs. All methods belong to the event loop's thread, except `processes`.

    `publish` is given what changed, after it was stored; `report` is given events. `gpus` says
    which GPUs the node has and who has them, from when `gpus_known` is set. `on_end` is told of
    each job that has ended, with the folder of its last attempt. `grace` is in seconds. `store` is
    where ranks put what is to be registered, as fsspec names it.
    """

    def __init__(
        self,
        records: JobRecords,
        artifacts: ArtifactRecords,
        state_folder: Path,
        node_id: str,
        *,
        store: str = "",
        publish: Callable[[Published], None],
        report: Callable[[Event], None] = lambda event: None,
        gpus: Callable[[], Sequence[GpuUse]] = tuple,
        cores: int | None = None,
        grace: float = 10.0,
        on_end: Callable[[JobSummary, TaskFolder], None] = _nothing,
        gpus_known: bool = True,
    ) -> None:
        self.gpus_known = asyncio.Event()
        """Set once `gpus` tells all there are: a job that names none gets them by what there is."""

        if gpus_known:
            self.gpus_known.set()
        self._records = records
        self._artifacts = artifacts
        self._run_folder = state_folder / "run"
        self._node = node_id
        self._gpus = gpus
        self._ledger = Ledger(records, artifacts, node_id, publish, report)
        self.course = Course(
            records,
            self._ledger,
            artifacts,
            self._run_folder,
            node_id,
            store,
            publish=publish,
            report=report,
            gpus=gpus,
            cores=cores or os.cpu_count() or 1,
            grace=grace,
            on_end=on_end,
        )

    @property
    def running(self) -> bool:
        """Whether a job has not ended."""
        return bool(self.course.jobs)

    def processes(self) -> dict[int, tuple[str, int]]:
        """Job and rank of every running rank, by pid. May be called from any thread."""
        return {
            rank.pid: (job.summary.id, rank.rank)
            for job in list(self.course.jobs.values())
            if job.attempt is not None and job.attempt.state is not None
            for rank in job.attempt.state.ranks
            if rank.ended is None
        }

    def holders(self) -> dict[int, str]:
        """The job of every shim and rank that runs, by pid: who may be named by a lease."""
        found = {}
        for job in self.course.jobs.values():
            if job.attempt is not None and job.attempt.shim is not None:
                found[job.attempt.shim] = job.summary.id
        return found | {pid: job for pid, (job, _) in self.processes().items()}

    def inputs(self) -> set[str]:
        """Digests of the artifacts that jobs which have not ended read."""
        found: set[str] = set()
        for job in self.course.jobs.values():
            found |= {one.digest for one in job.request.inputs.values() if one is not None}
            found |= {one.digest for one in job.order.inputs.values()} if job.order else set()
        return found

    # Showing

    def list(self) -> list[JobSummary]:
        """The newest jobs, newest first."""
        return [self._live_or(stored) for stored in self._records.newest()]

    def get(self, job: str) -> JobRecord:
        """All that is known of a job. Raises RequestRefused (404)."""
        record = self._records.get(job)
        record.summary = self._live_or(record.summary)
        folder = self.folder(job, record.summary.attempt).path
        record.folder = str(folder) if folder.is_dir() else None
        record.attempts = attempts_of(self._run_folder, job)
        live = self.course.jobs.get(job)
        if live is not None and live.follower is not None:
            record.results |= live.follower.results
            record.artifacts |= live.follower.artifacts
        return record

    async def series(
        self, job: str, points: int = 500, rank: int | None = 0, name: str | None = None
    ) -> Sequence[Curve]:
        """The curves of a job's present attempt, each with at most `points` points.

        Of one rank, or of all where `rank` is None; only those called `name`, if it is given.
        """
        attempt = self._summary(job, rank).attempt
        folder, points = self.folder(job, attempt), min(points, MOST_POINTS)
        names = None if name is None else {name}
        if rank is None:
            return await asyncio.to_thread(curves_of_all, folder, attempt, points, names)
        found = await asyncio.to_thread(curves, folder, attempt, points, rank)
        return [curve for curve in found if names is None or curve.name in names]

    def logs(
        self, job: str, rank: int | None = None, offset: int | None = None, lines: int = 200
    ) -> Sequence[LogPiece]:
        """What a rank, or every rank, printed: the last lines, or a piece from an offset on."""
        attempt = self._summary(job, rank).attempt
        return pieces(self.folder(job, attempt), (job, attempt), rank, offset, lines)

    async def lines(
        self,
        job: str,
        *,
        lines: int = 200,
        ranks: Collection[int] | None = None,
        search: str | None = None,
        before: float | None = None,
        after: float | None = None,
        fold: bool = True,
        ends: Mapping[int, int] | None = None,
    ) -> Sequence[LogLine]:
        """What all ranks printed, by time: see `merged`. Raises RequestRefused."""
        for rank in ranks or ():
            self._summary(job, rank)
        folder = self.folder(job, self._summary(job, None).attempt)
        return await asyncio.to_thread(
            merged,
            folder,
            lines=min(lines, MOST_LINES),
            ranks=ranks,
            search=search,
            before=before,
            after=after,
            fold=fold,
            ends=ends,
        )

    async def stacks(self, job: str) -> Sequence[RankStacks]:
        """What each rank does right now. Raises RequestRefused where it does not run."""
        live = self._live(job)
        if live.attempt is not None:
            live.attempt.look()  # a rank that has just begun is one, too
        if live.attempt is None or live.attempt.state is None:
            raise RequestRefused(f"job {job} is {live.summary.state}; it has no ranks", status=409)
        return await stacks.take(live.attempt.folder, live.attempt.state.ranks)

    def folder(self, job: str, attempt: int) -> TaskFolder:
        """The task folder of an attempt."""
        return task_folder(self._run_folder, job, attempt)

    # Changing

    async def submit(self, request: JobRequest, user: str) -> JobSummary:
        """Take a job; it starts when its turn comes.

        Raises RequestRefused for what this node can never run, RecordsError or StateFolderError
        where the job could not be stored; then nothing has changed.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GPUS_PATIENCE):
                await self.gpus_known.wait()
        gpus_present = len(self._gpus())
        refuse_impossible(request, gpus_present)
        ranks, gpus = settled(request, gpus_present)
        for dependency in request.after:
            self._records.get(dependency.partition(":")[0])
        if not request.after:
            request = with_inputs(request, pinned(self._artifacts, request))
        summary = JobSummary(
            id="",
            name=request.name,
            kind=request.kind,
            state="queued",
            cause=f"submitted by {user}",
            user=user,
            created=time.time(),
            nodes=[self._node],
            ranks=ranks,
            priority=request.resources.priority,
            held=request.hold,
            after=list(request.after),
            array=request.array,
        )
        above = max(jobs_on_disk(self._run_folder), default=0)
        kept: list[JobSummary] = []

        def keep(numbered: JobSummary) -> None:
            keep_request(self._run_folder, numbered, request, gpus)
            kept.append(numbered)

        try:
            # Before the job is in the records: killed in between, its folder alone tells of it.
            summary = self._records.add(request, summary, above, keep)
        except RecordsError:
            for numbered in kept:
                drop_request(self._run_folder, numbered.id)
            raise
        self._ledger.show(summary)
        self.course.enter(LiveJob(summary, request, gpus))
        return as_now(summary)

    async def stop(self, job: str) -> JobSummary:
        """Ask a job to end: its ranks get SIGTERM and, after a grace, SIGKILL."""
        live = self._live(job)
        if live.attempt is None or live.order is None:
            self.course.end_waiting(live, "stopped before it started")
            return as_now(live.summary)
        live.restarting = False
        live.stopping = True
        live.attempt.stop()
        state: JobState = "running" if live.summary.started else "starting"
        self._ledger.change(live.summary, state, asked_to_stop(live.order.grace))
        return as_now(live.summary)

    async def hold(self, job: str) -> JobSummary:
        """Let a job that waits wait until it is released."""
        return self._set_held(job, held=True)

    async def release(self, job: str) -> JobSummary:
        """Let a held job start when its turn comes."""
        return self._set_held(job, held=False)

    async def restart(self, job: str) -> JobSummary:
        """A new attempt of a running job; of an ended one, a new job linked to it."""
        live = self.course.jobs.get(job)
        if live is None:
            return await self._submit_again(job)
        if live.attempt is None or live.order is None:
            live.not_before = 0.0
            self.course.wake()
        elif not live.restarting:
            live.restarting = True
            live.attempt.stop()
            cause = f"attempt {live.order.attempt} is {asked_to_stop(live.order.grace)}"
            self._ledger.change(live.summary, "restarting", cause)
        return as_now(live.summary)

    async def _submit_again(self, job: str) -> JobSummary:
        record = self._records.get(job)
        kept = kept_request(self._run_folder, job)
        order = self.folder(job, record.summary.attempt).read_order()
        request = kept.request if kept else order.request if order else record.request
        if lacks_secrets(request):
            raise RequestRefused(
                f"the task folder of job {job} is gone, and its secrets with it; submit it again",
                status=409,
            )
        again = msgspec.structs.replace(request, source=job, after=[], hold=False)
        if order is not None and order.inputs:
            again = with_inputs(again, order.inputs)
        return await self.submit(again, record.summary.user)

    def _set_held(self, job: str, *, held: bool) -> JobSummary:
        live = self._live(job)
        if not live.waits:
            raise RequestRefused(
                f"job {job} is {live.summary.state}; only a job that waits can be held", status=409
            )
        live.summary.held = held
        self._ledger.change(live.summary, live.summary.state, "held" if held else "released")
        self.course.wake()
        return as_now(live.summary)

    def _live(self, job: str) -> LiveJob:
        if job not in self.course.jobs:
            ended = self._records.get(job).summary
            raise RequestRefused(f"job {job} has ended: {ended.state}", status=409)
        return self.course.jobs[job]

    def _live_or(self, stored: JobSummary) -> JobSummary:
        live = self.course.jobs.get(stored.id)
        return live.summary if live else stored

    def _summary(self, job: str, rank: int | None) -> JobSummary:
        """The summary of a job that has this rank. Raises RequestRefused (404)."""
        summary = self._live_or(self._records.get(job).summary)
        if rank is not None and not 0 <= rank < summary.ranks:
            raise RequestRefused(
                f"job {job} has no rank {rank}; its ranks are 0 to {summary.ranks - 1}", status=404
            )
        return summary
