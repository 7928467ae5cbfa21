"""The course of jobs: which start, what becomes of those that run, which are tried again."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from ...errors import LaunchError, RequestRefused, StateFolderError
from ...protocol.events import Event
from ...protocol.jobs import (
    ENDED,
    Failure,
    Input,
    JobState,
    JobSummary,
    LogPiece,
    Metric,
    TaskOrder,
)
from ...protocol.jobs import TaskState as State
from ...records.artifacts import ArtifactRecords
from ...records.jobs import JobRecords
from ..task import failures
from ..task.leases import Leases
from ..task.taskfolder import TaskFolder
from ..task.words import RUNNING
from .adoption import attempts_of, found_jobs, kept_request, newest_order, task_folder
from .inputs import pinned
from .ledger import Ledger
from .livejob import LiveJob, pause_before_next
from .occupancy import GpuUse
from .queue import Cores, Decision, plan
from .warmpool import WarmPool

STARTING_PERIOD: Final = 0.1
"""Seconds between looks while a job starts: it is waited for."""

SHOWN_PERIOD: Final = 0.25
"""While somebody shows a job's figures or logs."""

QUIET_PERIOD: Final = 1.0
"""While jobs run or wait and nobody looks closely. Without jobs there is no look at all."""

GONE: Final = "its shim is gone without a last word"

Published = JobSummary | Metric | LogPiece


class Course:
    """The jobs that have not ended. All methods belong to the event loop's thread."""

    def __init__(
        self,
        records: JobRecords,
        ledger: Ledger,
        artifacts: ArtifactRecords,
        run_folder: Path,
        node: str,
        store: str,
        *,
        publish: Callable[[Published], None],
        report: Callable[[Event], None],
        gpus: Callable[[], Sequence[GpuUse]],
        cores: int,
        grace: float,
        on_end: Callable[[JobSummary, TaskFolder], None],
    ) -> None:
        self.shown_metrics: set[str] = set()
        """Ids of the jobs whose figures somebody shows."""

        self.shown_logs: set[str] = set()
        """Ids of the jobs whose logs somebody shows."""

        self.jobs: dict[str, LiveJob] = {}
        self.leases = Leases()
        self._records = records
        self._ledger = ledger
        self._artifacts = artifacts
        self._run_folder = run_folder
        self._node = node
        self._store = store
        self._publish = publish
        self._report = report
        self._gpus = gpus
        self._cores = cores
        self._grace = grace
        self._on_end = on_end
        self._pool = WarmPool(run_folder.parent)
        self._wake = asyncio.Event()
        self._beginnings: set[asyncio.Task[None]] = set()

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
            for job in self.jobs.values():
                if job.attempt is not None:
                    job.attempt.close()
            self._pool.close()

    def enter(self, job: LiveJob) -> None:
        """A job to be started as soon as that can be."""
        self.jobs[job.summary.id] = job
        self.wake()

    def wake(self) -> None:
        """Look at once: something has changed."""
        self._wake.set()

    def end_waiting(self, job: LiveJob, cause: str) -> None:
        """A job that waits shall not be started."""
        self._end(job, "stopped", cause, time.time())

    def _period(self) -> float | None:
        """Seconds until the next look, None for no look before something happens."""
        jobs = self.jobs.values()
        if not jobs:
            return QUIET_PERIOD if self._ledger.behind else None
        if any(job.attempt and job.summary.state in ("starting", "restarting") for job in jobs):
            return STARTING_PERIOD
        shown = not self.jobs.keys().isdisjoint(self.shown_metrics | self.shown_logs)
        return SHOWN_PERIOD if shown else QUIET_PERIOD

    async def _look(self) -> None:
        self._ledger.try_again()
        for job in list(self.jobs.values()):
            if job.attempt is None or job.beginning:
                continue
            job.attempt.look()
            if job.attempt.state is not None:
                self._take(job, job.attempt.state)
            if job.attempt.wake():
                self._say_woken(job)
            self._tell(job)
            if job.attempt.over:
                await self._conclude(job)
        self._start_what_can()

    # Waiting

    def _start_what_can(self) -> None:
        """Start the jobs whose turn it is, and say of the others why they wait."""
        now = time.time()
        waiting = [job for job in self.jobs.values() if job.waits and job.not_before <= now]
        if not waiting:
            return
        gpus = self._gpus()
        used = {
            job.summary.id: job.summary.ranks
            for job in self.jobs.values()
            if not job.waits and job.without_gpus
        }
        states = self._states_for(waiting)
        decisions = plan([job.waiting() for job in waiting], gpus, Cores(self._cores, used), states)
        for decision in decisions:
            self._carry_out(self.jobs[decision.job], decision, gpus)

    def _states_for(self, waiting: Sequence[LiveJob]) -> dict[str, JobState]:
        """The states of the jobs that others wait for."""
        names = {name.partition(":")[0] for job in waiting for name in job.request.after}
        states: dict[str, JobState] = {}
        for name in names:
            if name in self.jobs:
                states[name] = self.jobs[name].summary.state
            elif (state := self._records.state(name)) is not None:
                states[name] = state
        return states

    def _carry_out(self, job: LiveJob, decision: Decision, gpus: Sequence[GpuUse]) -> None:
        if decision.give_up:
            self._end(job, "stopped", decision.cause, time.time())
        elif decision.start is None:
            self._wait(job, decision.cause)
        else:
            self._begin(job, decision, gpus)

    def _wait(self, job: LiveJob, cause: str) -> None:
        """Shown and not stored: it follows from what is stored, and may change each second."""
        if job.summary.cause != cause:
            job.summary.cause = cause
            self._ledger.show(job.summary)

    # Beginning

    def _begin(self, job: LiveJob, decision: Decision, gpus: Sequence[GpuUse]) -> None:
        assert decision.start is not None  # noqa: S101 — who calls has looked
        rows = list(decision.start)
        uuids = [gpu.uuid or "" for row in rows for gpu in gpus if gpu.row == row]
        summary = job.summary
        try:
            inputs = self._inputs(job)
        except RequestRefused as error:
            self._end(job, "failed", str(error), time.time())
            return
        order = TaskOrder(
            job=summary.id,
            attempt=summary.attempt + 1,
            user=summary.user,
            created=summary.created,
            request=job.request,
            ranks=summary.ranks,
            gpus=uuids,
            grace=self._grace,
            artifacts=self._store,
            inputs=inputs,
        )
        folder = task_folder(self._run_folder, order.job, order.attempt)
        try:
            lease = self.leases.take(uuids, order.job)
        except (StateFolderError, LaunchError) as error:
            self._wait(job, str(error))
            return
        if lease is None:
            self._wait(job, "another agent was quicker; waiting for its GPUs")
            return
        for descriptor in lease.descriptors:
            # What else is started before its shim, as a warm launcher, must not hold it for ever.
            os.set_inheritable(descriptor, False)
        try:
            folder.create(order)
        except StateFolderError as error:  # of a full disk: no reason to give up a job that waits
            lease.release()
            self._wait(job, str(error))
            return
        attempt = job.go(order, rows, folder, self.wake)
        summary.started = summary.exit_code = None
        job.beginning = True
        ranks = "1 rank" if order.ranks == 1 else f"{order.ranks} ranks"
        where = f" {decision.cause.removeprefix('starts ')}" if rows else ""
        cause = f"attempt {order.attempt} starts with {ranks}{where}"
        self._ledger.change(summary, "starting", cause)

        async def start() -> None:
            try:
                await attempt.start(job.request.program, lease, self._pool)
            except LaunchError as error:
                lease.release()
                self._end(job, "failed", str(error), time.time())
            finally:
                job.beginning = False
                self.wake()

        task = asyncio.get_running_loop().create_task(start())
        self._beginnings.add(task)
        task.add_done_callback(self._beginnings.discard)

    def _inputs(self, job: LiveJob) -> dict[str, Input]:
        """What the job reads: the same in all its attempts. Raises RequestRefused."""
        before = newest_order(self._run_folder, job.summary.id) if job.request.inputs else None
        return before.inputs if before else pinned(self._artifacts, job.request)

    # Running

    def _take(self, job: LiveJob, state: State) -> None:
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

    def _tell(self, job: LiveJob, *, ended: bool = False) -> bool:
        """Publish what the job said since; whether there may be more of it."""
        follower, summary = job.follower, job.summary
        if follower is None:
            return False
        metrics = follower.metrics(shown=summary.id in self.shown_metrics)
        prints = follower.prints(shown=summary.id in self.shown_logs, ended=ended)
        said: list[Metric | LogPiece] = [*metrics, *prints]
        for item in said:
            self._publish(item)
        for line in follower.take_artifacts():
            self._ledger.register(summary, line)
        if summary.progress != follower.progress:
            summary.progress = msgspec.structs.replace(follower.progress)
            self._ledger.show(summary)
        if follower.behind:
            self.wake()
        return follower.behind or bool(prints)

    def _say_woken(self, job: LiveJob) -> None:
        self._report(
            Event(
                time=time.time(),
                node=self._node,
                source=f"job {job.summary.id}",
                what="shim continued",
                text=f"{job.summary.name}: somebody had stopped its shim; it was continued",
                severity="warning",
                job=job.summary.id,
            )
        )

    # Ending

    async def _conclude(self, job: LiveJob) -> None:
        """The shim has ended: read all that is left to read, then end the job or go on with it."""
        attempt = job.attempt
        assert attempt is not None  # noqa: S101 — who calls has looked
        attempt.look()
        # Nothing is waited for: others get their turn between the pieces.
        while self._tell(job, ended=True):  # noqa: ASYNC110
            await asyncio.sleep(0)
        state = attempt.state
        if state is None or state.state not in ENDED:
            cleared = await asyncio.to_thread(attempt.clear)
            left = f"; {cleared} processes that it left were ended" if cleared else ""
            self._end(job, "failed", GONE + left, time.time())
            return
        self._take(job, state)
        job.summary.exit_code = state.exit_code
        job.summary.failure = state.failure.name if state.failure else None
        if job.restarting:
            job.leave()
        elif state.state == "failed" and not job.stopping:
            self._fail(job, state)
        else:
            self._end(job, state.state, state.cause, state.time)

    def _fail(self, job: LiveJob, state: State) -> None:
        """Try again where that may help, and end the job where not."""
        failure = state.failure or Failure(name=failures.OTHER.name, time=state.time)
        attempts = attempts_of(self._run_folder, job.summary.id)
        pause = pause_before_next(job.request, attempts, failure)
        if pause is None:
            cause = failures.named(failure.name)
            advice = "" if cause is failures.OTHER else f" ({failure.name}: {cause.advice})"
            self._end(job, "failed", state.cause + advice, state.time)
            return
        job.leave()
        job.not_before = time.time() + pause
        number = job.summary.attempt
        when = f"in {pause:g} s" if pause else "now"
        cause_text = f"attempt {number} failed: {state.cause}; attempt {number + 1} starts {when}"
        self._ledger.change(job.summary, "restarting", cause_text, state.time)
        asyncio.get_running_loop().call_later(pause, self.wake)

    def _end(self, job: LiveJob, state: JobState, cause: str, moment: float) -> None:
        self.jobs.pop(job.summary.id, None)
        said, attempt = job.follower, job.attempt
        job.leave()
        results, artifacts = (said.results, said.artifacts) if said else ({}, {})
        self._ledger.end(job.summary, state, cause, moment, results, artifacts)
        if attempt is not None:
            self._on_end(job.summary, attempt.folder)
        self.wake()

    # Finding again

    def adopt(self) -> None:
        """Take over the jobs that an agent before this one had and that have not ended: from the
        records, and from folders that the records do not know."""
        for request, summary in found_jobs(self._run_folder, self._records.known(), self._node):
            self._ledger.restore(request, summary)
        for summary in self._records.live():
            if summary.id not in self.jobs:
                self._adopt_one(summary)
        self.wake()

    def _adopt_one(self, summary: JobSummary) -> None:
        kept = kept_request(self._run_folder, summary.id)
        order = newest_order(self._run_folder, summary.id)
        request = kept.request if kept else order.request if order else None
        if request is None:
            cause = "its task folder is gone, or the agent ended before it was made"
            self._ledger.end(summary, "failed", cause, time.time(), {}, {})
            return
        gpus = kept.gpus if kept else len(order.gpus) if order else 0
        job = self.jobs[summary.id] = LiveJob(summary, request, gpus)
        if order is None or (summary.state == "restarting" and self._has_ended(order)):
            return  # it waits
        rows = [gpu.row for gpu in self._gpus() if gpu.uuid in order.gpus] or summary.gpus
        folder = task_folder(self._run_folder, order.job, order.attempt)
        attempt = job.go(order, rows, folder, self.wake)
        attempt.look()
        if folder.stop.exists():
            job.restarting = summary.state == "restarting"
            job.stopping = not job.restarting

    def _has_ended(self, order: TaskOrder) -> bool:
        state = task_folder(self._run_folder, order.job, order.attempt).read_state()
        return state is not None and state.state in ENDED
