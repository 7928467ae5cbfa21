"""A text in the person's own editor: as a real file in a folder of its own."""

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from ...agents.errors import LlmosError

USUAL: Final = ("sensible-editor", "nano", "vim", "vi")
"""Looked for where neither $VISUAL nor $EDITOR says which."""


def edited(text: str, name: str) -> str:
    """The text after the editor has ended. It has the terminal until then.

    Raises:
        LlmosError: it cannot be started, says by its exit status that nothing shall change, or
            left something that is no text.
    """
    command = _command()
    with tempfile.TemporaryDirectory(prefix="llmos-") as folder:
        file = Path(folder) / name
        file.write_text(text, "utf-8")
        try:
            status = subprocess.run([*command, str(file)], check=False).returncode
        except OSError as error:
            raise LlmosError(f"{command[0]}: {error.strerror}; set $EDITOR") from None
        if status:
            raise LlmosError(f"{command[0]} ended with {status}: nothing is changed")
        try:
            return file.read_text("utf-8-sig")
        except (OSError, ValueError) as error:
            raise LlmosError(f"{command[0]} left no text: {error}") from None


def _command() -> list[str]:
    for name in ("VISUAL", "EDITOR"):
        if said := os.environ.get(name, "").strip():
            try:
                return shlex.split(said)
            except ValueError as error:
                raise LlmosError(f"${name}: {error}") from None
    found = next((path for path in map(shutil.which, USUAL) if path), None)
    if found is None:
        raise LlmosError("no editor was found; set $EDITOR")
    return [found]
