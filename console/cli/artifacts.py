"""`llmos artifacts`: the versions of artifacts, newest first."""

from typing import TYPE_CHECKING

import click

from .invocation import Invocation, as_json, common, pass_invocation

if TYPE_CHECKING:
    from ...agents.fleet.client import Client
    from ...agents.protocol.artifacts import ArtifactVersion


@click.command(name="artifacts")
@click.argument("name", required=False)
@as_json
@common
@pass_invocation
def command(invocation: Invocation, name: str | None, as_json: bool) -> None:
    """List artifacts, newest first: of all names, or the versions of NAME.

    The JSON is {"schema", "artifacts"}.
    """
    from .asking import ask
    from .printing import print_json

    async def listed(client: "Client") -> "list[ArtifactVersion]":
        return await client.artifacts(name)

    found = ask(invocation, listed)
    if as_json:
        print_json({"artifacts": found})
    elif found:
        from .artifactlist import lines

        print("\n".join(lines(found)))
    elif name is not None:
        print(f"No artifact is called {name}: `llmos artifacts` lists all.")
    else:
        print("No artifacts yet: jobs register what they make.")
