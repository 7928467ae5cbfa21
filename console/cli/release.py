"""`llmos release`: let jobs start that were held."""

import click

from .hold import ask_of_each, jobs_argument
from .invocation import Invocation, common, pass_invocation


@click.command(name="release")
@jobs_argument
@common
@pass_invocation
def command(invocation: Invocation, jobs: tuple[str, ...]) -> None:
    """Release jobs that were held: they start in their turn."""
    invocation.may_change("release")
    ask_of_each(invocation, jobs, lambda client, job: client.release(job))
