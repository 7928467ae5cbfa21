"""The command line: the commands by name, and how what goes wrong is said.

A command's module is imported when it is called. Each imports only what it needs: the program's
start is part of every command's time.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

from ...agents.errors import LlmosError, RequestRefused, UsageError
from .invocation import Invocation, common

COMMANDS: Final = (
    "top",
    "run",
    "submit",
    "jobs",
    "job",
    "logs",
    "stop",
    "restart",
    "hold",
    "release",
    "stacks",
    "bundle",
    "artifacts",
    "artifact",
    "examples",
    "agent",
    "doctor",
    "completion",
)
"""Each is a module of this folder that holds a command `command`, in the order of the help."""

INTERRUPTED: Final = 130
READER_GONE: Final = 141
"""As a shell says that SIGPIPE ended a program."""


class Commands(click.Group):
    """The commands, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(f".{cmd_name}", __package__).command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the words begin with; the nearest is named where there is none."""
        if args[0] not in COMMANDS:
            from ...engine.nearest import hint

            ctx.fail(f"unknown command {hint(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--version", is_flag=True, help="Say which llmos this is.")
@common
@click.pass_context
def llmos(context: click.Context, version: bool) -> None:
    """See GPUs live, and train models on them.

    Without a command: the console, or, without a terminal, one picture of this host.
    """
    if version:
        from ...agents.version import llmos_version

        print(f"llmos {llmos_version()}")
    elif context.invoked_subcommand is None:
        from .top import show

        context.exit(show(context.obj))


def run(arguments: Sequence[str]) -> int:
    """Run the command that the words name; the exit status. What goes wrong is one line."""
    invocation = Invocation()
    try:
        if "_LLMOS_COMPLETE" in os.environ:
            return complete(invocation)
        with llmos.make_context("llmos", list(arguments), obj=invocation) as context:
            llmos.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        return _flushed(done.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        return _reader_gone()
    except Exception as error:
        return tell(error, debug=invocation.debug)
    return 0


def complete(invocation: Invocation) -> int:
    """Answer a shell that completes words."""
    from click.shell_completion import shell_complete

    instruction = os.environ["_LLMOS_COMPLETE"]
    return shell_complete(llmos, {"obj": invocation}, "llmos", "_LLMOS_COMPLETE", instruction)


def tell(error: Exception, *, debug: bool) -> int:
    """Say what went wrong in one line; the exit status that goes with it."""
    if debug:
        traceback.print_exception(error)
    print(f"llmos: {' '.join(describe(error).split())}", file=sys.stderr)
    if isinstance(error, RequestRefused) and error.status == 400:
        return UsageError.exit_code
    return error.exit_code if isinstance(error, LlmosError | click.ClickException) else 1


def describe(error: Exception) -> str:
    """An error in words that say what to do."""
    if isinstance(error, LlmosError):
        return str(error)
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "llmos"
        message = error.format_message().rstrip(".")
        see = "See" if message.endswith("?") else "see"
        joint = " " if message.endswith("?") else "; "
        return f"{message[:1].lower()}{message[1:]}{joint}{see} `{command} --help`"
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    return f"internal error: {said}; run again with --debug"


def _flushed(code: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_gone()
    return code


def _reader_gone() -> int:
    """Nobody reads what we say any more, as in `llmos jobs | head`. The interpreter's own last
    flush goes nowhere instead of failing."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return READER_GONE
