"""`llmos stop`: ask a job to end."""

import sys
from typing import TYPE_CHECKING

import click

from .invocation import Invocation, common, pass_invocation
from .jobid import job_argument

if TYPE_CHECKING:
    from ...agents.fleet.client import Client
    from ...agents.protocol.jobs import JobSummary


@click.command(name="stop")
@job_argument
@common
@pass_invocation
def command(invocation: Invocation, job: str) -> None:
    """Ask a job to end: it may finish what it does, and is ended soon after."""
    from .asking import ask

    invocation.may_change("stop")

    async def stopped(client: "Client") -> "JobSummary":
        return await client.stop(job)

    summary = ask(invocation, stopped)
    print(f"job {summary.id}: {summary.cause}", file=sys.stderr)
