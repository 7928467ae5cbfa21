"""The one door: `llmos` opens the console, everything else is the command line's.

The console's way is short on purpose: the agent, if none answers, is started before the screen is
imported, so that both come up side by side.
"""

import sys
from typing import TextIO

from .agents.errors import LlmosError


def main() -> int:
    """Run llmos with the words of this process; the exit status."""
    try:
        if len(sys.argv) == 1 and _terminal(sys.stdin) and _terminal(sys.stdout):
            return _console()
        from .console.cli.main import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return 130


def _console() -> int:
    from .console.cli.opening import open_console

    try:
        return open_console()
    except LlmosError as error:
        print(f"llmos: {error}", file=sys.stderr)
        return error.exit_code


def _terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


if __name__ == "__main__":
    sys.exit(main())
