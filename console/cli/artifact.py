"""`llmos artifact`: one artifact, and what is done with it."""

import sys
from typing import TYPE_CHECKING

import click

from ...agents.errors import RequestRefused
from .invocation import Invocation, as_json, common, pass_invocation

if TYPE_CHECKING:
    from ...agents.fleet.client import Client
    from ...agents.protocol.artifacts import ArtifactVersion, Lineage

SHOW = "show"
"""What is meant where a reference comes first."""


class Artifact(click.Group):
    """The commands of one artifact; without one of them, it is shown."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Takes `llmos artifact REF` for `llmos artifact show REF`."""
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = [SHOW, *args]
        return super().parse_args(ctx, args)


@click.group(name="artifact", cls=Artifact)
@common
def command() -> None:
    """Show an artifact: `llmos artifact REF`; or move an alias of it.

    REF is NAME (its newest version), NAME@VERSION, NAME@ALIAS or a digest.
    """


@command.command(name=SHOW)
@click.argument("reference", metavar="REF")
@click.option("--lineage", is_flag=True, help="What it came from, and what came from it.")
@as_json
@common
@pass_invocation
def show(invocation: Invocation, reference: str, lineage: bool, as_json: bool) -> None:
    """Show all that is known of an artifact, or its lineage as a tree.

    The JSON is {"schema", "artifact"}; with --lineage {"schema", "lineage"}: the digest asked
    for, the versions around it, and edges of child's digest, parent's digest and role.
    """
    from .asking import ask
    from .printing import print_json

    if lineage:
        around = ask(invocation, lambda client: client.lineage(reference))
        _print_lineage(around, as_json=as_json)
        return
    found = ask(invocation, lambda client: client.artifact(reference))
    if as_json:
        print_json({"artifact": found})
        return
    from .artifactlist import whole

    print("\n".join(whole(found)))


@command.command(name="alias")
@click.argument("reference", metavar="REF")
@click.argument("alias", required=False)
@click.option("--remove", is_flag=True, help="Take away the alias that REF names, as NAME@ALIAS.")
@common
@pass_invocation
def alias(invocation: Invocation, reference: str, alias: str | None, remove: bool) -> None:
    """Let ALIAS of an artifact's name point to the version that REF names.

    If somebody else moves it at the same moment, one of the two is refused.
    """
    from ...agents.protocol.artifacts import AliasMove
    from .asking import ask

    invocation.may_change("artifact alias")
    _, _, own = reference.partition("@")
    if remove == (alias is not None) or (remove and (not own or own.isdecimal())):
        raise click.UsageError(
            "expected REF ALIAS, or --remove NAME@ALIAS", click.get_current_context()
        )

    async def moved(client: "Client") -> "tuple[ArtifactVersion, str]":
        version = await client.artifact(reference)
        shown = alias or own
        before = await _pointed_to(client, version.name, shown)
        move = AliasMove(version=None if remove else version.version, before=before)
        await client.move_alias(version.name, shown, move)
        return version, shown

    version, shown = ask(invocation, moved)
    now = "is gone" if remove else f"is version {version.version} now"
    print(f"{version.name}@{shown} {now}", file=sys.stderr)


async def _pointed_to(client: "Client", name: str, alias: str) -> int | None:
    """The version that an alias points to, None where there is no such alias."""
    try:
        return (await client.artifact(f"{name}@{alias}")).version
    except RequestRefused as error:
        if error.status != 404:
            raise
        return None


def _print_lineage(lineage: "Lineage", *, as_json: bool) -> None:
    if as_json:
        from .printing import print_json

        print_json({"lineage": lineage})
        return
    from .lineagetree import text

    print(text(lineage))
