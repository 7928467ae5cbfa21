"""The screen as it was left: shown at once, before Textual has been imported.

What a person sees first is the last known picture, with its age in the heading; Textual then takes
the same terminal over and paints the present. Only the standard library is used, and little of it.
"""

import contextlib
import os
import time
from pathlib import Path
from typing import Final

ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[2J"
"""Alternate screen, no cursor, cleared: what Textual, too, begins with."""

LEAVE: Final = "\x1b[?25h\x1b[?1049l"

NOTE: Final = 28
"""Cells at the right end of the heading: more than the state of the link and the clock take, since
a picture of the past must not say that it is live."""

LARGEST: Final = 2**20
"""Bytes. A screen of 300 × 100 in full colour is a third of that."""


def save(path: Path, lines: list[str], columns: int) -> None:
    """Keep these lines of escape sequences and text, each exactly `columns` wide.

    Whole or not at all: a full disk costs the next start its first picture.
    """
    head = f"{columns} {len(lines)} {time.time():.0f}\n"
    temporary = path.with_suffix(".new")
    with contextlib.suppress(OSError):
        temporary.write_text(head + "\n".join(lines), "utf-8")
        temporary.replace(path)


def show(path: Path, descriptor: int) -> bool:
    """Paint what was saved if the terminal has the same size; whether it was painted."""
    try:
        size = os.get_terminal_size(descriptor)
        if path.stat().st_size > LARGEST:
            return False
        head, _, body = path.read_text("utf-8").partition("\n")
        columns, rows, saved = (int(word) for word in head.split())
        lines = body.split("\n")
        if (columns, rows) != tuple(size) or len(lines) != rows:
            return False
        painted = "".join(f"\x1b[{y};1H{line}" for y, line in enumerate(lines, 1))
        note = _note(time.time() - saved)
        place = f"\x1b[1;{max(columns - len(note) + 1, 1)}H"
        os.write(descriptor, f"{ENTER}{painted}\x1b[0m{place}\x1b[7m{note}\x1b[0m".encode())
    except (OSError, ValueError):
        return False
    return True


def leave(descriptor: int) -> None:
    """Give the terminal back as it was, where Textual never came to take it over."""
    with contextlib.suppress(OSError):
        os.write(descriptor, LEAVE.encode())


def _note(seconds: float) -> str:
    units = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
    size, unit = next((each for each in units if seconds >= each[0]), (1, "s"))
    return f" last seen {max(int(seconds // size), 0)}{unit} ago ".rjust(NOTE)
