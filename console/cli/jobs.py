"""`llmos jobs`: every job, newest first."""

from typing import TYPE_CHECKING

import click

from .invocation import Invocation, as_json, common, pass_invocation

if TYPE_CHECKING:
    from ...agents.fleet.client import Client
    from ...agents.protocol.jobs import JobSummary


@click.command(name="jobs")
@as_json
@common
@pass_invocation
def command(invocation: Invocation, as_json: bool) -> None:
    """List the jobs, newest first.

    The JSON is {"schema", "jobs"}.
    """
    from .asking import ask
    from .printing import print_json

    async def listed(client: "Client") -> "list[JobSummary]":
        return await client.jobs()

    jobs = ask(invocation, listed)
    if as_json:
        print_json({"jobs": jobs})
    elif jobs:
        from .joblist import lines

        print("\n".join(lines(jobs)))
    else:
        print("No jobs yet: `llmos examples` lists some to run.")
