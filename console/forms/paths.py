"""Completion of file names in a line that is typed as in a shell."""

import os
import re
from pathlib import Path
from typing import Final

LAST_WORD: Final = re.compile(r"(?:\\.|[^\s\\'\"])*\Z")
UNSAFE: Final = re.compile(r"([^\w@%+=:,./~-])")

STARTERS: Final = (".py", ".toml", ".json")
"""What the first word of the line may be."""

MOST: Final = 500
"""Names that are looked at: past that, more letters find it sooner."""


def completions(line: str, folder: Path) -> list[str]:
    """The line with its last word completed in each way; folders end with a slash.

    The first word is a script or a spec; later ones are a script's own and may be any file.
    """
    found = LAST_WORD.search(line)
    start = found.start() if found else len(line)
    before, word = line[:start], re.sub(r"\\(.)", r"\1", line[start:])
    if not word or (before and not before[-1].isspace()):
        return []
    above, slash, beginning = word.rpartition("/")
    inside = folder / Path(above + slash).expanduser() if slash else folder
    first = not before.split() or before.split()[-1] == "--"
    names = [
        name for name in _names(inside, beginning) if not first or name.endswith(("/", *STARTERS))
    ]
    return [before + UNSAFE.sub(r"\\\1", above + slash + name) for name in names]


def _names(folder: Path, beginning: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            fitting = [
                entry.name + "/" * entry.is_dir()
                for _, entry in zip(range(MOST), entries, strict=False)
                if entry.name.startswith(beginning)
                and (beginning.startswith(".") or not entry.name.startswith("."))
            ]
    except OSError:
        return []
    return sorted(fitting)
