"""`llmos job`: all that is known of one job."""

from typing import TYPE_CHECKING

import click

from .invocation import Invocation, as_json, common, pass_invocation
from .jobid import job_argument

if TYPE_CHECKING:
    from ...agents.fleet.client import Client
    from ...agents.protocol.jobs import JobRecord


@click.command(name="job")
@job_argument
@as_json
@common
@pass_invocation
def command(invocation: Invocation, job: str, as_json: bool) -> None:
    """Show all that is known of a job.

    The JSON is {"schema", "job"}: summary, request, transitions, folder, results, artifacts.
    """
    from .asking import ask
    from .printing import print_json

    async def looked_up(client: "Client") -> "JobRecord":
        return await client.job(job)

    record = ask(invocation, looked_up)
    if as_json:
        print_json({"job": record})
        return
    from .joblist import whole

    print("\n".join(whole(record)))
