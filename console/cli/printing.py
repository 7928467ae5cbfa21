"""What commands print: JSON by a schema, or tables that fit the terminal."""

import shutil
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

SCHEMA: Final = 1
"""Of every `--json`. Keys are added without a new number; null is "not known", never 0."""

NARROWEST: Final = 80


def print_json(content: dict[str, Any]) -> None:
    """One object, indented, with the number of its schema in front."""
    encoded = msgspec.json.encode({"schema": SCHEMA, **content})
    print(msgspec.json.format(encoded).decode())


def width() -> int:
    """Columns to print in: 80 where there is no terminal."""
    return max(shutil.get_terminal_size((NARROWEST, 24)).columns, NARROWEST)


def table(
    titles: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()
) -> list[str]:
    """The lines of a table; `right` names the columns that stand at the right.

    A column is as wide as its widest cell; the last gets what is left of the width.
    """
    cells = [list(titles), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    at_right = set(right)
    lines = []
    for row in cells:
        padded = [
            cell.rjust(size) if at in at_right else cell.ljust(size)
            for at, (cell, size) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(cut("  ".join(padded).rstrip()))
    return lines


def cut(line: str, columns: int | None = None) -> str:
    """A line that does not wrap, with an ellipsis where something is left out."""
    columns = columns or width()
    return line if len(line) <= columns else line[: columns - 1] + "…"


def printable(text: str) -> str:
    """A text that others chose, without what would steer the terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def clock(seconds: float | None) -> str:
    """A moment as a person here reads it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) if seconds else "n/a"
