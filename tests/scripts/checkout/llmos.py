"""A llmos that says how it was started."""

import json
import os
import sys


def main() -> None:
    """Print the words and what scripts/run told; exit 7 if the words are `exit 7`."""
    try:
        os.fstat(9)
        lock = True
    except OSError:
        lock = False
    print(
        json.dumps(
            {"words": sys.argv[1:], "run": os.environ.get("LLMOS_SCRIPTS_RUN"), "lock": lock}
        )
    )
    if sys.argv[1:2] == ["exit"]:
        sys.exit(int(sys.argv[2]))
