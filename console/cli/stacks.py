"""`llmos stacks`: what each rank of a job does right now."""

from typing import TYPE_CHECKING

import click

from ...agents.errors import RequestRefused
from .invocation import Invocation, as_json, common, pass_invocation
from .jobid import job_argument

if TYPE_CHECKING:
    from ...agents.fleet.client import Client
    from ...agents.protocol.jobs import RankStacks


@click.command(name="stacks")
@job_argument
@click.option("--rank", type=click.IntRange(min=0), help="Of this rank only.")
@as_json
@common
@pass_invocation
def command(invocation: Invocation, job: str, rank: int | None, as_json: bool) -> None:
    """Show what each rank of a job does right now: where in its program it is.

    Ranks at the same place are shown once, and first those at a place of their own. The JSON is
    {"schema", "stacks"}: of each rank its pid, its state, who told, and the text.
    """
    from .asking import ask
    from .printing import print_json

    async def told(client: "Client") -> "list[RankStacks]":
        return await client.stacks(job)

    found = ask(invocation, told)
    if rank is not None:
        ranks = ", ".join(str(each.rank) for each in found)
        found = [each for each in found if each.rank == rank]
        if not found:
            raise RequestRefused(f"job {job} has no rank {rank}; its ranks are {ranks}", 404)
    if as_json:
        print_json({"stacks": found})
        return
    from ..stacktext import folded

    print("\n\n".join(f"{fold.heading}\n{fold.text}" for fold in folded(found)))
