"""`llmos logs`: what a job's ranks printed, or print."""

from typing import TYPE_CHECKING

import click

from .invocation import Invocation, common, pass_invocation
from .jobid import job_argument

if TYPE_CHECKING:
    from ...agents.fleet.client import Client


@click.command(name="logs")
@job_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the job ends.")
@click.option("--rank", type=click.IntRange(min=0), help="Of this rank only.")
@click.option("--lines", type=click.IntRange(min=0), default=200, help="The last so many; 200.")
@common
@pass_invocation
def command(invocation: Invocation, job: str, follow: bool, rank: int | None, lines: int) -> None:
    """Print the last of what a job printed. With several ranks, each line says whose it is."""
    from .asking import ask
    from .following import Following
    from .loglines import LogLines
    from .terminal import Terminal

    async def shown(client: "Client") -> None:
        ranks = (await client.job(job)).summary.ranks
        terminal = Terminal()
        logs = LogLines(client, job, terminal, rank, marked=ranks > 1 and rank is None)
        await logs.last(lines)
        if follow:
            following = Following(client, job, logs, terminal, lambda summary: None)
            await following.until_end(invocation.own)
        logs.close()

    ask(invocation, shown)
