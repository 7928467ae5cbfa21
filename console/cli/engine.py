"""The engine's packages, where a job needs them: found without importing them, or installed."""

import importlib
import os
import subprocess
import sys

from ...agents.errors import LaunchError
from ...engine.catalog import kind_named


def require_engine(kind: str) -> None:
    """Return once what this kind of job imports is installed.

    From a checkout's scripts/run it is installed now, with its size and progress shown. Raises
    LaunchError, which says what to type.
    """
    missing = kind_named(kind).missing()
    if not missing:
        return
    script = os.environ.get("LLMOS_SCRIPTS_RUN")
    if not script:
        raise LaunchError(
            f"a job of the kind {kind} needs {', '.join(missing)}: pip install 'llmos[engine]'"
        )
    try:
        subprocess.run([script, "--install-engine"], stdout=sys.stderr, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise LaunchError(
            f"the engine could not be installed; try `{script} --install-engine`"
        ) from error
    importlib.invalidate_caches()
    if kind_named(kind).missing():
        raise LaunchError(f"the engine is not all there; try `{script} --install-engine`")
