"""A job on the command line: a spec and what is changed in it, or a script after two dashes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
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
SCRIPT: Final = "llmos.script"
"""Where a context keeps the words after the two dashes."""


class JobCommand(click.Command):
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


@dataclass(frozen=True)
class Asked:
    """What the words ask for."""

    spec: str | None
    script: list[str] | None
    """The words after the two dashes."""

    overrides: tuple[str, ...]
    matrix: tuple[str, ...]
    after: tuple[str, ...]
    hold: bool
    priority: int | None
    nodes: int | None
    gpus: int | None
    ranks: int | None
    warm: bool | None
    step_regex: str | None


FOR_A_SCRIPT: Final = {
    "nodes": "resources.nodes",
    "gpus": "resources.gpus",
    "ranks": "resources.ranks",
    "warm": "command.warm",
    "step_regex": "command.step_regex",
}
"""Options that stand for a value of the spec that a script has not: that value's key."""


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


OPTIONS: Final = (
    click.argument("spec", required=False, shell_complete=complete),
    click.option(
        "--set",
        "overrides",
        metavar="KEY.KEY=VALUE",
        multiple=True,
        help="Change a value of the spec; may be repeated.",
    ),
    click.option(
        "--after",
        metavar="JOB",
        multiple=True,
        help="Start once that job has succeeded, or JOB:any has ended; may be repeated.",
    ),
    click.option("--hold", is_flag=True, help="Wait until it is released."),
    click.option("--priority", metavar="N", type=int, help="Start before jobs of lower priority."),
    click.option("--nodes", type=int, help="Hosts, for a script."),
    click.option("--gpus", type=int, help="GPUs on each node, for a script."),
    click.option("--ranks", type=int, help="Processes on each node, for a script."),
    click.option("--warm", is_flag=True, default=None, help="Have torch imported, for a script."),
    click.option(
        "--step-regex",
        metavar="REGEX",
        help="Find figures in what rank 0 prints by named groups, for a script.",
    ),
)


def takes_job(*, matrix_help: str | None) -> Callable[[Decorated], Decorated]:
    """Give a command what names a job; it is called with an `Asked` as `asked`.

    Without a help there is no `--matrix` to be seen; the command says why when it is used.
    """
    matrix = click.option(
        "--matrix",
        metavar="KEY.KEY=V1,V2",
        multiple=True,
        help=matrix_help,
        hidden=matrix_help is None,
    )

    def decorate(command: Decorated) -> Decorated:
        @wraps(command)
        def collected(*arguments: Any, **named: Any) -> Any:
            words = {field.name: named.pop(field.name, None) for field in fields(Asked)}
            words["script"] = click.get_current_context().meta.get(SCRIPT)
            return command(*arguments, asked=Asked(**words), **named)

        for option in reversed((*OPTIONS, matrix)):
            collected = option(collected)
        return collected  # type: ignore[return-value]  # the same, called with fewer words

    return decorate


def job_requests(invocation: Invocation, asked: Asked, command: str) -> "list[JobRequest]":
    """What an agent is asked for. Several for a matrix, or a list of jobs.

    Raises UsageError, SpecError, or LaunchError without the engine.
    """
    if asked.script is not None:
        return [_script_request(asked, asked.script)]
    if asked.spec is None:
        raise UsageError(f"{command} what? SPEC, @NAME (see `llmos examples`), or -- script.py")
    for name, key in FOR_A_SCRIPT.items():
        value = getattr(asked, name)
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            value = str(value).lower() if isinstance(value, bool) else value
            raise UsageError(f"{option} is for a script; a spec takes --set {key}={value}")
    return _spec_requests(invocation, asked, asked.spec, command)


def _spec_requests(
    invocation: Invocation, asked: Asked, spec: str, command: str
) -> "list[JobRequest]":
    from ...engine.several import job_requests as requests

    if Path(spec).suffix in SCRIPTS:
        raise UsageError(f"{spec}: a script follows two dashes: llmos {command} -- {spec}")
    overrides = [*asked.overrides]
    overrides += ["hold=true"] if asked.hold else []
    overrides += [] if asked.priority is None else [f"resources.priority={asked.priority}"]
    wanted = requests(spec, overrides, asked.matrix, asked.after)
    if invocation.connect is None:
        from .engine import require_engine

        for kind in {one.kind for one in wanted}:
            require_engine(kind)
    return wanted


def _script_request(asked: Asked, script: Sequence[str]) -> "JobRequest":
    from ...agents.protocol.jobs import Resources
    from ...engine.command.spec import command_request

    for_spec = (asked.spec, "--set" if asked.overrides else "", "--matrix" if asked.matrix else "")
    for given in filter(None, for_spec):
        raise UsageError(f"{given} describes a job, so does the script: give one")
    resources = {name: getattr(asked, name) for name in ("nodes", "gpus", "ranks", "priority")}
    command = {"warm": asked.warm, "step_regex": asked.step_regex}
    return command_request(
        script,
        resources=Resources(**_given(resources)),
        command=_given(command),
        above={"after": [*asked.after], "hold": asked.hold},
    )


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
