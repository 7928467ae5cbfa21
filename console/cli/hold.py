"""`llmos hold`: let jobs that wait go on waiting, until they are released."""

import sys
from typing import TYPE_CHECKING

import click

from ...agents.errors import RequestRefused
from .invocation import Invocation, common, pass_invocation
from .jobid import complete

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ...agents.fleet.client import Client
    from ...agents.protocol.jobs import JobSummary

jobs_argument = click.argument(
    "jobs", metavar="JOB...", nargs=-1, required=True, shell_complete=complete
)


@click.command(name="hold")
@jobs_argument
@common
@pass_invocation
def command(invocation: Invocation, jobs: tuple[str, ...]) -> None:
    """Hold jobs that wait: they do not start before they are released."""
    invocation.may_change("hold")
    ask_of_each(invocation, jobs, lambda client, job: client.hold(job))


def ask_of_each(
    invocation: Invocation,
    jobs: tuple[str, ...],
    question: "Callable[[Client, str], Awaitable[JobSummary]]",
) -> None:
    """Ask the same of several jobs and tell what became of each.

    Raises RequestRefused at the end, for all that were refused; the others were not kept from it.
    """
    from .asking import ask
    from .printing import printable

    async def asked(client: "Client") -> list[RequestRefused]:
        refused = []
        for job in dict.fromkeys(jobs):
            try:
                summary = await question(client, job)
            except RequestRefused as error:
                refused.append(error)
            else:
                print(f"job {summary.id}: {printable(summary.cause)}", file=sys.stderr)
        return refused

    refused = ask(invocation, asked)
    if refused:
        raise RequestRefused("; ".join(map(str, refused)), refused[0].status)
