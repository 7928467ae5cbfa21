"""A job that has not ended, as its agent has it in hand."""

import time
from collections.abc import Callable
from typing import Final

from ...protocol.jobs import AttemptRecord, Failure, JobRequest, JobSummary, TaskOrder
from ..reports.follower import Follower
from ..task import failures
from ..task.taskfolder import TaskFolder
from .attempt import Attempt
from .queue import Waiting

LONGEST_BACKOFF: Final = 600.0

MOST_LOSSES: Final = 10
"""Attempts that are repeated since a process of ours was lost. More is no accident."""


class LiveJob:
    """What was asked for, what it has come to, and the attempt that runs, if one does."""

    def __init__(self, summary: JobSummary, request: JobRequest, gpus: int) -> None:
        self.summary = summary
        self.request = request
        self.gpus = gpus
        """How many it needs; `summary.gpus` has the rows once it runs."""

        self.order: TaskOrder | None = None
        self.attempt: Attempt | None = None
        self.follower: Follower | None = None
        self.beginning = False
        """Whether its shim is being started at this moment."""

        self.stopping = False
        self.restarting = False
        """Whether this attempt ends since a person asked for another."""

        self.not_before = 0.0
        """When the next attempt may begin, by the clock of the day."""

    @property
    def waits(self) -> bool:
        """Whether it is to be started."""
        return self.attempt is None and not self.beginning

    @property
    def without_gpus(self) -> bool:
        """Whether it counts cores."""
        return self.gpus == 0

    def waiting(self) -> Waiting:
        """As the queue sees it."""
        return Waiting(
            job=self.summary.id,
            gpus=self.gpus,
            ranks=self.summary.ranks,
            created=self.summary.created,
            priority=self.summary.priority,
            held=self.summary.held,
            after=tuple(self.request.after),
        )

    def go(
        self, order: TaskOrder, rows: list[int], folder: TaskFolder, changed: Callable[[], None]
    ) -> Attempt:
        """Have an attempt, new or found again."""
        self.order = order
        self.summary.attempt, self.summary.gpus = order.attempt, rows
        self.attempt = attempt = Attempt(folder, changed)
        self.follower = Follower(
            folder,
            order.job,
            order.attempt,
            pids=self.pids,
            step_regex=order.request.program.step_regex,
        )
        return attempt

    def leave(self) -> None:
        """The attempt is over."""
        if self.attempt is not None:
            self.attempt.close()
        self.attempt = self.follower = None
        self.restarting = False

    def pids(self) -> list[int]:
        """Of the ranks that run. May be called from any thread."""
        state = self.attempt.state if self.attempt else None
        return [rank.pid for rank in state.ranks if rank.ended is None] if state else []


def pause_before_next(
    request: JobRequest, attempts: list[AttemptRecord], failure: Failure
) -> float | None:
    """Seconds until the next attempt of a job whose newest failed; None for no next one.

    An attempt that llmos itself lost is repeated at once and counts for nothing.
    """
    lost = [one for one in attempts if one.failure and one.failure.name == failures.OURS.name]
    if failure.name == failures.OURS.name:
        return 0.0 if len(lost) <= MOST_LOSSES else None
    retry = request.retry
    since = time.time() - retry.window
    counted = [one for one in attempts if one not in lost and (one.started or since) >= since]
    if not failures.named(failure.name).helps or len(counted) >= retry.max_attempts:
        return None
    doubled = retry.backoff * 2.0 ** max(0, min(len(counted), 30) - 1)
    return min(doubled, LONGEST_BACKOFF)
