"""`llmos restart`: a new attempt of a running job, or a new job like an ended one."""

import sys
from typing import TYPE_CHECKING

import click

from .invocation import Invocation, common, pass_invocation
from .jobid import job_argument

if TYPE_CHECKING:
    from ...agents.fleet.client import Client
    from ...agents.protocol.jobs import JobSummary


@click.command(name="restart")
@job_argument
@common
@pass_invocation
def command(invocation: Invocation, job: str) -> None:
    """Restart a job: a new attempt of one that runs, a new job like one that has ended.

    Prints the id of the job that runs then.
    """
    from .asking import ask

    invocation.may_change("restart")

    async def restarted(client: "Client") -> "JobSummary":
        return await client.restart(job)

    summary = ask(invocation, restarted)
    print(summary.id, flush=True)
    like = "" if summary.id == job else f", a new job like {job}"
    print(f"job {summary.id}{like}: {summary.cause}", file=sys.stderr)
