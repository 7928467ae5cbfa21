"""A new job, followed in the foreground: what it prints, how far it is, what came of it."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ...agents.errors import RequestRefused
from ...agents.protocol.jobs import JobRequest, JobState, JobSummary
from ..submitting import submit_all
from . import joblist
from .following import Following
from .interrupts import Interrupts, Wish
from .loglines import LogLines
from .printing import printable
from .terminal import Terminal

if TYPE_CHECKING:
    from ...agents.fleet.client import Client
    from ...agents.locations import Locations

EXIT_CODES: Final[dict[JobState, int]] = {"succeeded": 0, "failed": 1, "stopped": 130}

LEAVING: Final[dict[Wish, int]] = {"detach": 0, "hangup": 129, "leave": 130}
"""Wishes that end the following and not the job, and the exit status; after a hangup as a shell
says it, so that nobody takes it for success."""

FIRST_RANK: Final = 0


async def follow_new(
    client: "Client", *, requests: Sequence[JobRequest], own: "Locations | None"
) -> int:
    """Submit, follow one after the other, and tell what came of each; the exit status.

    That is the first one's that did not succeed: those that wait for it are given up.
    """
    terminal = Terminal()
    try:
        with Interrupts(terminal) as interrupts:
            jobs = [job async for job in submit_all(client, requests)]
            for job in jobs:
                terminal.note(f"job {job.id}: {printable(job.name)}")
            for job in jobs:
                code = await _follow(client, job.id, own, interrupts, terminal)
                if code:
                    return code
            return 0
    finally:
        terminal.close()


async def _follow(
    client: "Client",
    job: str,
    own: "Locations | None",
    interrupts: Interrupts,
    terminal: Terminal,
) -> int:
    logs = LogLines(client, job, terminal, FIRST_RANK, marked=False)
    following = Following(client, job, logs, terminal, Telling(terminal))
    end = asyncio.create_task(following.until_end(own))
    left = await _until_end_or_left(client, job, end, interrupts, terminal)
    if left is not None:
        return left
    terminal.close()
    return await _tell_outcome(client, end.result())


class Telling:
    """Tells changes of state as notes, and progress as progress."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._told: tuple[JobState, str] | None = None

    def __call__(self, job: JobSummary) -> None:
        """What is new in a summary."""
        if (job.state, job.cause) != self._told:
            self._told = job.state, job.cause
            self._terminal.note(f"job {job.id} {job.state}: {printable(job.cause)}")
        self._terminal.progress(joblist.progress(job.progress))


async def _until_end_or_left(
    client: "Client",
    job: str,
    end: "asyncio.Task[JobSummary]",
    interrupts: Interrupts,
    terminal: Terminal,
) -> int | None:
    """None when the job has ended; the exit status where the person leaves it to itself."""
    wish: asyncio.Task[Wish] = asyncio.create_task(interrupts.wish())
    try:
        while True:
            await asyncio.wait({end, wish}, return_when=asyncio.FIRST_COMPLETED)
            if end.done():
                return None
            wanted = wish.result()
            if wanted in LEAVING:
                terminal.close()
                if wanted != "hangup":
                    terminal.note(f"job {job} goes on; `llmos logs {job} -f` follows it")
                return LEAVING[wanted]
            if wanted == "stop":
                # Refused where it has just ended by itself: the end says so.
                with contextlib.suppress(RequestRefused):
                    await client.stop(job)
            wish = asyncio.create_task(interrupts.wish())
    finally:
        await _cancelled(wish)
        if not end.done():
            await _cancelled(end)


async def _cancelled(task: "asyncio.Task[JobSummary] | asyncio.Task[Wish]") -> None:
    task.cancel()
    await asyncio.wait({task})


async def _tell_outcome(client: "Client", job: JobSummary) -> int:
    """Print what came of a job; the exit status."""
    for line in joblist.outcome(await client.job(job.id)):
        print(line)
    return EXIT_CODES[job.state]
