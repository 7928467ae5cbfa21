"""`llmos submit`: hand in a job and leave it."""

from typing import TYPE_CHECKING

import click

from .invocation import Invocation, as_json, common, pass_invocation
from .specarguments import complete, set_option, spec_request

if TYPE_CHECKING:
    from ...agents.fleet.client import Client
    from ...agents.protocol.jobs import JobSummary


@click.command(name="submit")
@click.argument("spec", shell_complete=complete)
@set_option
@as_json
@common
@pass_invocation
def command(invocation: Invocation, spec: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Submit the job that SPEC describes, a .toml or .json file or @NAME; print its id.

    The JSON is {"schema", "job"}: its summary.
    """
    invocation.may_change("submit")
    request = spec_request(invocation, spec, overrides)
    from .asking import ask
    from .printing import print_json

    async def submitted(client: "Client") -> "JobSummary":
        return await client.submit(request)

    job = ask(invocation, submitted)
    if as_json:
        print_json({"job": job})
    else:
        print(job.id)
