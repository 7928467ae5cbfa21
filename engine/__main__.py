"""The one door to what the engine runs: `python -m llmos.engine KIND`, once in each rank.

The spec is read from the file that LLMOS_SPEC names and checked again: between the submitter and
here it has travelled, and this may be another version.
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from ..agents.errors import LaunchError, LlmosError, SpecError, UsageError
from .catalog import Kind, Spec, kind_named
from .specs import read, validate

STOPPED = 128 + signal.SIGTERM
"""The exit code of a rank that was asked to stop, as a shell says it."""


class _Stop(BaseException):
    """Somebody asked for the end. Not an Exception, so that no program takes it for a failure."""


def main() -> NoReturn:
    """Runs the program of the kind that the arguments name, and exits."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        code = _exit_code(sys.argv[1:])
    except _Stop:
        _leave()
    sys.exit(code)


def _exit_code(arguments: list[str]) -> int:
    try:
        run(arguments)
    except LlmosError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except Exception:
        # A rank that stopped first fails the others' collectives: python answers their own SIGTERM
        # at the next call, so this one turns such a failure into the stop that it is.
        signal.pthread_sigmask(signal.SIG_BLOCK, [])
        raise
    return 0


def run(arguments: list[str]) -> None:
    """Runs the program of one kind.

    Raises:
        LlmosError: one line that says what to do.
    """
    if len(arguments) != 1:
        raise UsageError("usage: python -m llmos.engine KIND")
    kind = kind_named(arguments[0], "KIND")
    spec = _own_spec(kind)
    missing = kind.missing()
    if missing:
        raise LaunchError(
            f"kind {kind.name} needs {', '.join(missing)}, not installed for {sys.executable}: "
            "pip install 'llmos[engine]'"
        )
    kind.run()(spec)


def _own_spec(kind: Kind) -> Spec:
    path = os.environ.get("LLMOS_SPEC")
    if not path:
        raise UsageError("LLMOS_SPEC names no spec: `llmos run SPEC` starts jobs")
    spec = validate(read(Path(path)))
    if spec.kind != kind.name:
        raise SpecError(f'{path}: $.kind: expected "{kind.name}", got "{spec.kind}"')
    return spec


def _stop(_signal: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Stop


def _leave() -> NoReturn:
    """Ends at once: threads of a process group may wait for ranks that have gone already."""
    print("stopped: asked by SIGTERM", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(STOPPED)


if __name__ == "__main__":
    main()
