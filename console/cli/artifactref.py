"""The argument that names an artifact. A shell completes it from the agent, if one runs."""

import http.client
from typing import Any

import click
from click.shell_completion import CompletionItem

from ...agents.errors import LlmosError
from .invocation import Invocation
from .jobid import asked


def complete(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Names, and behind an "@" the versions and aliases of one. Nothing where no agent answers."""
    invocation = context.find_object(Invocation)
    try:
        found = asked(invocation, "/v1/artifacts") if invocation is not None else []
    except (LlmosError, OSError, ValueError, http.client.HTTPException):
        return []
    return [
        CompletionItem(name, help=kind)
        for name, kind in _references(found, versions="@" in incomplete).items()
        if name.startswith(incomplete)
    ]


reference_argument = click.argument("reference", metavar="REF", shell_complete=complete)


def _references(found: list[dict[str, Any]], *, versions: bool) -> dict[str, str]:
    """Text to type, and the kind of what it names."""
    if not versions:
        return {one["name"]: one["kind"] for one in found}
    named: dict[str, str] = {}
    for one in found:
        for last in (*one["aliases"], one["version"]):
            named[f"{one['name']}@{last}"] = one["kind"]
    return named
