"""`llmos submit`: hand in a job, or one for each combination of a matrix, and leave it."""

from typing import TYPE_CHECKING

import click

from .invocation import Invocation, as_json, common, pass_invocation
from .specarguments import Asked, JobCommand, job_requests, takes_job

if TYPE_CHECKING:
    from ...agents.fleet.client import Client
    from ...agents.protocol.jobs import JobSummary


@click.command(name="submit", cls=JobCommand)
@takes_job(matrix_help="A job for each of these values, and for each combination if repeated.")
@as_json
@common
@pass_invocation
def command(invocation: Invocation, asked: Asked, as_json: bool) -> None:
    """Submit the job that SPEC describes, a .toml or .json file or @NAME; print its id.

    After two dashes: a script of your own. With --matrix one id a line, the last key's values
    changing fastest; of a list of jobs, one id a line in their order.

    The JSON is {"schema", "job"}: its summary; of several {"schema", "jobs"}.
    """
    invocation.may_change("submit")
    requests = job_requests(invocation, asked, "submit")
    from ..submitting import submit_all
    from .asking import ask
    from .printing import print_json

    async def submitted(client: "Client") -> "list[JobSummary]":
        jobs = []
        async for job in submit_all(client, requests):
            jobs.append(job)
            if not as_json:
                print(job.id, flush=True)
        return jobs

    jobs = ask(invocation, submitted)
    if as_json:
        print_json({"jobs": jobs} if asked.matrix or len(jobs) > 1 else {"job": jobs[0]})
