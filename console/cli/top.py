"""`llmos top`: the console, or one picture of every node and job."""

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from .invocation import Invocation, as_json, common, pass_invocation

if TYPE_CHECKING:
    from ...agents.fleet.client import Client


@click.command(name="top")
@click.option("--once", is_flag=True, help="Print one picture and end.")
@as_json
@common
@pass_invocation
@click.pass_context
def command(context: click.Context, invocation: Invocation, once: bool, as_json: bool) -> None:
    """Open the console, or print one picture.

    Without a terminal it prints. The JSON is {"schema", "time", "nodes", "jobs"}: figures that are
    not known or not supported are null.
    """
    context.exit(show(invocation, once=once or as_json, as_json=as_json))


def show(invocation: Invocation, *, once: bool = False, as_json: bool = False) -> int:
    """The console where there is a terminal and not `once`, else one picture; the exit status."""
    if once or not (sys.stdin.isatty() and sys.stdout.isatty()):
        print_picture(invocation, as_json=as_json)
        return 0
    from .opening import open_console

    address = invocation.address if invocation.connect else None
    return open_console(invocation.state, address, readonly=invocation.readonly)


def print_picture(invocation: Invocation, *, as_json: bool) -> None:
    """One picture, as JSON or for people."""
    from .asking import ask
    from .printing import print_json
    from .snapshot import ALL_FIGURES, gather

    if as_json:
        print_json(ask(invocation, partial(gather, wanted=ALL_FIGURES)))
        return
    from .picture import FIGURES, lines

    async def look(client: "Client") -> tuple[dict[str, Any], dict[str, Any]]:
        gathered = await gather(client, FIGURES)
        details = {node["node"]: await client.detail(node["node"]) for node in gathered["nodes"]}
        return gathered, details

    gathered, details = ask(invocation, look)
    print("\n".join(lines(gathered, details)))
