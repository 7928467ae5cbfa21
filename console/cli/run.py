"""`llmos run`: submit a job, and follow it to its end."""

from functools import partial
from typing import TYPE_CHECKING, Final

import click

from ...agents.errors import UsageError
from .invocation import Invocation, common, pass_invocation
from .specarguments import complete, set_option, spec_request

if TYPE_CHECKING:
    from ...agents.protocol.jobs import JobRequest

SCRIPT: Final = "llmos.script"
"""Where a context keeps the words after the two dashes."""


class RunCommand(click.Command):
    """Takes a spec, or after two dashes a script with its own words, which are left as they are."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Part the words at the two dashes."""
        if "--" in args:
            at = args.index("--")
            args, ctx.meta[SCRIPT] = args[:at], args[at + 1 :]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Both forms."""
        return ["[OPTIONS]", "SPEC | -- SCRIPT [ARGS]..."]


@click.command(name="run", cls=RunCommand)
@click.argument("spec", required=False, shell_complete=complete)
@set_option
@click.option("--nodes", type=int, help="Hosts, for a script.")
@click.option("--gpus", type=int, help="GPUs on each node, for a script.")
@click.option("--ranks", type=int, help="Processes on each node, for a script.")
@common
@pass_invocation
@click.pass_context
def command(
    context: click.Context,
    invocation: Invocation,
    spec: str | None,
    overrides: tuple[str, ...],
    nodes: int | None,
    gpus: int | None,
    ranks: int | None,
) -> None:
    """Submit a job and follow it: SPEC is a .toml or .json file, or @NAME for an example.

    After two dashes: a script of your own, started on each rank by torch's launcher.

    Exits with 0 if it succeeded, 1 if it failed, 130 if it was stopped. Ctrl+C asks what to do, a
    second one stops the job; it outlives the terminal.
    """
    from .asking import ask
    from .running import follow_new

    invocation.may_change("run")
    resources = {"nodes": nodes, "gpus": gpus, "ranks": ranks}
    asked = {name: value for name, value in resources.items() if value is not None}
    request = _request(invocation, spec, overrides, context.meta.get(SCRIPT), asked)
    context.exit(ask(invocation, partial(follow_new, request=request, own=invocation.own)))


def _request(
    invocation: Invocation,
    spec: str | None,
    overrides: tuple[str, ...],
    script: list[str] | None,
    resources: dict[str, int],
) -> "JobRequest":
    if script is not None:
        if spec or overrides:
            raise UsageError(f"{spec or '--set'} describes a job, so does the script: give one")
        from ...agents.protocol.jobs import Resources
        from ...engine.command.spec import command_request

        return command_request(script, resources=Resources(**resources))
    if spec is None:
        raise UsageError("run what? SPEC, @NAME (see `llmos examples`), or -- script.py")
    if resources:
        name, value = next(iter(resources.items()))
        raise UsageError(f"--{name} is for a script; a spec takes --set resources.{name}={value}")
    return spec_request(invocation, spec, overrides)
