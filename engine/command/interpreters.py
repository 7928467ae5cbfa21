"""Interpreters: which one the submitter's shell would start, and what stands in one.

An interpreter is asked by running it once. torch is found there and not imported, since that takes
seconds.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from ...agents.errors import SpecError

PATIENCE: Final = 10.0
"""Seconds that an interpreter, and the shell that prepares for it, have for their answer."""

ACTIVE: Final = ("VIRTUAL_ENV", "CONDA_PREFIX")
"""Variables that name an active environment, the one that counts first."""

_QUESTION: Final = """
import sys
if sys.path and sys.path[0] == "":
    del sys.path[0]  # a module in the working folder is no module of the interpreter
import importlib.util, json
torch = importlib.util.find_spec("torch")
print(json.dumps([sys.executable, sys.prefix, torch and torch.origin]))
"""

_VERSION: Final = re.compile(r"^__version__\s*(?::[^=]*)?=\s*['\"]([^'\"]+)['\"]", re.MULTILINE)


class Interpreter(NamedTuple):
    """What an interpreter said of itself."""

    executable: str
    prefix: str
    torch: str | None
    """The version of torch; None where there is none, or it does not say."""

    @property
    def is_own(self) -> bool:
        """Whether it is the interpreter that llmos itself runs in."""
        same_file = os.path.realpath(self.executable) == os.path.realpath(sys.executable)
        return same_file and os.path.realpath(self.prefix) == os.path.realpath(sys.prefix)


def shell_python(variables: Mapping[str, str], folder: Path) -> str:
    """The interpreter that a shell with these variables would start in `folder`.

    That of the active environment, else the first `python3` on PATH; where that is a shim, as
    pyenv's are, the interpreter that it stands for.

    Raises:
        SpecError: there is none.
    """
    active = active_python(variables)
    if active is not None:
        return active
    found = shutil.which("python3", path=variables.get("PATH", os.defpath))
    if found is None:
        raise SpecError("$.environment.python: no python3 on PATH; name an interpreter")
    found = os.path.abspath(folder / found)
    answer = ask(found, variables, folder)
    return found if answer is None else answer.executable or found


def active_python(variables: Mapping[str, str]) -> str | None:
    """The interpreter of the environment that is active, if one is."""
    for name in ACTIVE:
        if variables.get(name) and usable(inside := python_of(variables[name])):
            return inside
    return None


def python_of(prefix: str) -> str:
    """Where an environment has its interpreter."""
    return os.path.join(prefix, "bin", "python")


def usable(python: str) -> bool:
    """Whether that is a file that can be started."""
    return os.path.isfile(python) and os.access(python, os.X_OK)


def ask(
    python: str, variables: Mapping[str, str], folder: Path, setup: str | None = None
) -> Interpreter | None:
    """What `python` says of itself; None where it does not, be it for want of time.

    Args:
        python: a path, or a name that is looked for after `setup`.
        variables: the whole environment in which it runs.
        folder: where it runs: there, a shim may find which version it stands for.
        setup: lines of shell that come first.
    """
    # The jobs of one matrix ask once, a console that stays open sees what was installed since.
    minute = int(time.monotonic() // 60)
    return _ask(python, frozenset(variables.items()), os.fspath(folder), setup, minute)


@lru_cache(maxsize=16)
def _ask(
    python: str, variables: frozenset[tuple[str, str]], folder: str, setup: str | None, minute: int
) -> Interpreter | None:
    words = [python, "-c", _QUESTION]
    if setup is not None:
        words = ["bash", "-lc", f'{setup}\nexec "$@"', "bash", *words]
    try:
        said = subprocess.run(
            words,
            env=dict(variables),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=True,
        ).stdout
        # A login shell may have greeted before.
        executable, prefix, torch = json.loads(said.splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        return None
    return Interpreter(executable, prefix, _torch_version(torch))


def _torch_version(origin: str | None) -> str | None:
    """The version of the torch whose `__init__.py` that is, as torch itself would say it."""
    if not origin:
        return None
    try:
        text = Path(origin).with_name("version.py").read_text("utf-8", errors="replace")
    except OSError:
        return None
    found = _VERSION.search(text)
    return found[1] if found else None
