"""`llmos run`: submit a job, and follow it to its end."""

from functools import partial

import click

from ...agents.errors import UsageError
from .invocation import Invocation, common, pass_invocation
from .specarguments import Asked, JobCommand, job_requests, takes_job


@click.command(name="run", cls=JobCommand)
@takes_job(matrix_help=None)
@common
@pass_invocation
def command(invocation: Invocation, asked: Asked) -> None:
    """Submit a job and follow it: SPEC is a .toml or .json file, or @NAME for an example.

    After two dashes: a script of your own, started on each rank as torchrun would. Of a list of
    jobs, one after the other is followed.

    Exits with 0 if it succeeded, 1 if it failed, 130 if it was stopped. Ctrl+C asks what to do, a
    second one stops the job; it outlives the terminal.
    """
    from .asking import ask
    from .running import follow_new

    invocation.may_change("run")
    if asked.matrix:
        raise UsageError("run follows one job; `llmos submit --matrix` hands in many")
    requests = job_requests(invocation, asked, "run")
    code = ask(invocation, partial(follow_new, requests=requests, own=invocation.own))
    click.get_current_context().exit(code)
