"""`llmos artifact`: one artifact, and what is done with it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...agents.errors import RequestRefused
from .artifactref import complete, reference_argument
from .invocation import Invocation, as_json, common, pass_invocation

if TYPE_CHECKING:
    from ...agents.fleet.client import Client
    from ...agents.protocol.artifacts import ArtifactVersion, Lineage, Unneeded

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
    """Show an artifact: `llmos artifact REF`; or do something with it.

    REF is NAME (its newest version), NAME@VERSION, NAME@ALIAS or a digest.
    """


@command.command(name=SHOW)
@reference_argument
@click.option("--files", is_flag=True, help="The files in it, with sizes and digests.")
@click.option("--lineage", is_flag=True, help="What it came from, and what came from it.")
@as_json
@common
@pass_invocation
def show(invocation: Invocation, reference: str, files: bool, lineage: bool, as_json: bool) -> None:
    """Show all that is known of an artifact, its files, or its lineage as a tree.

    The JSON is {"schema", "artifact"}; with --files {"schema", "files"}: path, digest and size of
    each; with --lineage {"schema", "lineage"}: the digest asked for, the versions around it, and
    edges of child's digest, parent's digest and role.
    """
    from .asking import ask
    from .printing import print_json

    if lineage:
        around = ask(invocation, lambda client: client.lineage(reference))
        _print_lineage(around, as_json=as_json)
        return
    found = ask(invocation, lambda client: client.artifact(reference))
    if files:
        from .artifactstore import print_files

        print_files(found, as_json=as_json)
        return
    if as_json:
        print_json({"artifact": found})
        return
    from .artifactlist import whole

    print("\n".join(whole(found)))


@command.command(name="alias")
@reference_argument
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


@command.command(name="verify")
@click.argument("references", metavar="[REF]...", nargs=-1, shell_complete=complete)
@common
@pass_invocation
def verify(invocation: Invocation, references: tuple[str, ...]) -> None:
    """Read every file of the artifacts, or of all, and compare it with its digest.

    A line for each that is damaged or missing; then the exit status is 1.
    """
    from .artifactstore import verified
    from .asking import ask

    async def named(client: "Client") -> "list[ArtifactVersion]":
        if not references:
            return await client.artifacts()
        return [await client.artifact(reference) for reference in references]

    click.get_current_context().exit(0 if verified(ask(invocation, named)) else 1)


@command.command(name="import")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="What it is called.")
@click.option("--kind", default="model", show_default=True, help="model, dataset or another word.")
@click.option("--alias", "aliases", multiple=True, help="A name for this version; repeatable.")
@common
@pass_invocation
def import_(
    invocation: Invocation, folder: Path, name: str, kind: str, aliases: tuple[str, ...]
) -> None:
    """Keep a folder as an artifact: as a model one of transformers, of JSON and safetensors alone.

    Its bytes are copied into this host's store.
    """
    from .artifactlist import reference as called
    from .artifactstore import published
    from .asking import ask

    invocation.may_change("artifact import")
    line = published(invocation, folder, name, kind, aliases)
    version = ask(invocation, lambda client: client.import_artifact(line))
    print(f"{called(version)} {version.digest}")


@command.command(name="export")
@reference_argument
@click.argument("folder", type=click.Path(path_type=Path))
@common
@pass_invocation
def export(invocation: Invocation, reference: str, folder: Path) -> None:
    """Copy an artifact's files to FOLDER, which is new or empty; each is checked on the way."""
    from .artifactstore import exported
    from .asking import ask

    exported(ask(invocation, lambda client: client.artifact(reference)), folder)


@command.command(name="gc")
@click.option("--delete", is_flag=True, help="Do so, in place of showing it.")
@common
@pass_invocation
def gc(invocation: Invocation, delete: bool) -> None:
    """Show what nobody needs; with --delete, forget it and free its bytes.

    Kept is what an alias names, the newest version of each name, what a job that has not ended
    makes or reads, all that these came from, and what is younger than an hour.
    """
    from .artifactstore import free, shown
    from .asking import ask

    if not delete:
        shown(invocation, ask(invocation, lambda client: client.unneeded_artifacts()))
        return
    invocation.may_change("artifact gc --delete")

    async def forgotten(client: "Client") -> "tuple[Unneeded, Unneeded]":
        before = await client.unneeded_artifacts()
        digests = [version.digest for version in before.versions]
        return before, await client.forget_artifacts(digests)

    free(invocation, *ask(invocation, forgotten))


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
