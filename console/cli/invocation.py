"""How llmos was called: what every command takes, and what follows from it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from ...agents import locations as places
from ...agents.errors import UsageError
from ...agents.fleet.address import Address, parse, unix

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass
class Invocation:
    """The options that every command takes, before or after its name; the later one holds."""

    connect: str | None = None
    """The address of an agent; None for our own on this host."""

    state: Path | None = None
    """The state folder of our own agent; None for the usual one."""

    readonly: bool = False
    debug: bool = False

    @cached_property
    def own(self) -> places.Locations | None:
        """Where our own agent lives; None with --connect. Raises StateFolderError."""
        return None if self.connect else places.find(self.state)

    @cached_property
    def address(self) -> Address:
        """The agent to ask. Raises UsageError for an address that is off."""
        if self.connect:
            return parse(self.connect)
        assert self.own is not None  # noqa: S101 - without --connect it is our own
        return unix(self.own.socket)

    def may_change(self, command: str) -> None:
        """Raises UsageError for a command that changes something under --readonly."""
        if self.readonly:
            raise UsageError(f"{command} changes something, and --readonly forbids it")


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    invocation = context.find_object(Invocation)
    if value not in (None, False) and invocation is not None:
        setattr(invocation, str(parameter.name), value)


COMMON: Final = (
    click.option(
        "--connect",
        metavar="ADDRESS",
        callback=_keep,
        expose_value=False,
        help="Ask the agent at unix:PATH or http://127.0.0.1:PORT.",
    ),
    click.option(
        "--state",
        metavar="DIR",
        type=click.Path(path_type=Path),
        callback=_keep,
        expose_value=False,
        help="The state folder of your own agent (or LLMOS_STATE).",
    ),
    click.option(
        "--readonly",
        is_flag=True,
        callback=_keep,
        expose_value=False,
        help="Change nothing: look only.",
    ),
    click.option(
        "--debug",
        is_flag=True,
        callback=_keep,
        expose_value=False,
        is_eager=True,
        help="Show where in the program an error came from.",
    ),
)


def common(command: Decorated) -> Decorated:
    """Give a command the options that every command takes."""
    for option in reversed(COMMON):
        command = option(command)
    return command


pass_invocation = click.make_pass_decorator(Invocation)
as_json = click.option("--json", "as_json", is_flag=True, help="As JSON, by a schema.")
