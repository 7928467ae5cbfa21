"""Hands in the jobs that one spec asks for, in their order: all of them, or none."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ..agents.errors import LlmosError
from ..agents.protocol.jobs import JobRequest, JobSummary
from ..engine.several import after_ids

if TYPE_CHECKING:
    from ..agents.fleet.client import Client


async def submit_all(client: "Client", requests: Sequence[JobRequest]) -> AsyncIterator[JobSummary]:
    """Each job as soon as the agent has taken it.

    Raises LlmosError where it does not take one; those that it took before are stopped.
    """
    taken: dict[str, str] = {}
    for request in requests:
        try:
            job = await client.submit(after_ids(request, taken))
        except LlmosError:
            for before in reversed(taken.values()):
                with suppress(LlmosError):  # it may have ended, or the agent
                    await client.stop(before)
            raise
        taken[request.name] = job.id
        yield job
