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
@click.option(
    "--rank", "ranks", multiple=True, type=click.IntRange(min=0), help="Of this rank; repeatable."
)
@click.option("--search", metavar="TEXT", help="Only lines with this text, or with /a regex/.")
@click.option("--no-fold", is_flag=True, help="Do not show as one line what ranks say alike.")
@click.option("--times", is_flag=True, help="Put the local time before each line.")
@click.option("--lines", type=click.IntRange(min=0), default=200, help="The last so many; 200.")
@common
@pass_invocation
def command(
    invocation: Invocation,
    job: str,
    follow: bool,
    ranks: tuple[int, ...],
    search: str | None,
    no_fold: bool,
    times: bool,
    lines: int,
) -> None:
    """Print the last of what a job printed, by time.

    With several ranks, each line says whose it is: "[0-7] ×8" for what eight ranks said alike.
    """
    from .asking import ask
    from .following import Following
    from .loglines import Choice, LogLines
    from .terminal import Terminal

    async def shown(client: "Client") -> None:
        marked = (await client.job(job)).summary.ranks > 1 and len(set(ranks)) != 1
        terminal = Terminal()
        choice = Choice(search=search, fold=not no_fold, times=times)
        chosen = frozenset(ranks) or None
        logs = LogLines(client, job, terminal, chosen, marked=marked, choice=choice)
        await logs.last(lines, follow=follow)
        if follow:
            following = Following(client, job, logs, terminal, lambda summary: None)
            await following.until_end(invocation.own)
        logs.close()

    ask(invocation, shown)
