"""`llmos agent`: an agent in the foreground, as a service runs it."""

import os
import sys

import click

from ...agents.errors import UsageError
from .invocation import Invocation, common, pass_invocation


@click.command(name="agent")
@click.option(
    "--listen", metavar="HOST:PORT", help="Answer on loopback too, read-only: curl, Prometheus."
)
@click.option("--dcgm-names", is_flag=True, help="Name /metrics as the DCGM exporter does.")
@click.option(
    "--idle",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    help="End after that long without client or job; without it, never.",
)
@common
@pass_invocation
def command(
    invocation: Invocation, listen: str | None, dcgm_names: bool, idle: float | None
) -> None:
    """Run this host's agent until it is told to end.

    `llmos` starts one by itself when none answers; a service runs it with this command.
    """
    if invocation.connect:
        raise UsageError("agent: --connect is for commands that ask an agent")
    from ...agents import daemon

    words = [] if invocation.state is None else ["--state", str(invocation.state)]
    words += [] if listen is None else ["--listen", listen]
    words += [] if idle is None else ["--idle", str(idle)]
    words += ["--dcgm-names"] if dcgm_names else []
    status = daemon.main(words)
    # A driver call that hangs holds a thread, which the interpreter would wait for at its end.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
