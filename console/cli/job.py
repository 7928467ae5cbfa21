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

    The JSON is {"schema", "job"}: summary, request, transitions, folder, results, artifacts,
    attempts. Of the environment it has what the spec sets.
    """
    from .asking import ask
    from .printing import print_json

    async def looked_up(client: "Client") -> "JobRecord":
        return await client.job(job)

    record = ask(invocation, looked_up)
    if as_json:
        print_json({"job": without_inherited(record)})
        return
    from .joblist import whole

    print("\n".join(whole(record)))


def without_inherited(record: "JobRecord") -> "JobRecord":
    """The record without the variables that the job has from its submitter's own environment."""
    import msgspec

    program = record.request.program
    said = record.request.spec.get("environment")
    own = said.get("variables", {}) if isinstance(said, dict) else {}
    kept = {name: value for name, value in program.environment.items() if name in own}
    program = msgspec.structs.replace(program, environment=kept)
    request = msgspec.structs.replace(record.request, program=program)
    return msgspec.structs.replace(record, request=request)
