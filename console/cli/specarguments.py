"""A spec on the command line: its file or example, and what is changed in it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from ...agents.errors import UsageError
from .invocation import Invocation

if TYPE_CHECKING:
    from ...agents.protocol.jobs import JobRequest

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

SCRIPTS: Final = (".py", ".sh")


def complete(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Examples after an "@", else files."""
    if not incomplete.startswith("@"):
        return [CompletionItem(incomplete, type="file")]
    from ...engine.specs import examples

    known = [(f"@{example.name}", example.title) for example in examples()]
    return [
        CompletionItem(name, help=title) for name, title in known if name.startswith(incomplete)
    ]


set_option: Final = click.option(
    "--set",
    "overrides",
    metavar="KEY.KEY=VALUE",
    multiple=True,
    help="Change a value of the spec; may be repeated.",
)


def spec_request(invocation: Invocation, spec: str, overrides: Sequence[str]) -> "JobRequest":
    """What an agent is asked for a spec. Raises SpecError, or LaunchError without the engine."""
    from ...engine.specs import job_request

    if Path(spec).suffix in SCRIPTS:
        raise UsageError(f"{spec}: a script follows two dashes: llmos run -- {spec}")
    request = job_request(spec, overrides)
    if invocation.connect is None:
        from .engine import require_engine

        require_engine(request.kind)
    return request
