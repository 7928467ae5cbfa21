"""What a terminal shows after what was written to it: text and the cursor's row, by pyte."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pyte

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN = re.compile(
    rb"\x1b\[[<>=][0-9;]*[ -/]*[@-~]"  # keyboard protocols, which pyte takes for something else
    rb"|\x1bP.*?\x1b\\"
    rb"|\x1b\[\?[0-9;]*\$p",
    re.DOTALL,
)
OPEN = re.compile(rb"\x1b(?:\[[0-9;<>=?]*[ -/]*)?$")
"""A sequence that goes on in the next piece."""

Look = tuple[str, bool, bool]
"""Of a cell: the colour behind it, whether reversed, whether bold."""


class _Screen(pyte.Screen):
    """With what curses sends to xterm beyond what pyte knows."""

    last = " "

    def draw(self, data: str) -> None:
        if data:
            self.last = data[-1]
        super().draw(data)

    def repeat(self, count: int = 1, **_: Any) -> None:
        """REP: the last character again."""
        self.draw(self.last * max(count, 1))


class _Stream(pyte.ByteStream):
    csi = pyte.ByteStream.csi | {"b": "repeat"}
    events = frozenset([*pyte.ByteStream.events, "repeat"])


class Emulator:
    """A terminal's screen."""

    def __init__(self, columns: int, lines: int) -> None:
        self._screen = _Screen(columns, lines)
        self._stream = _Stream(self._screen)
        self._open = b""

    def feed(self, data: bytes) -> None:
        """Take what was written."""
        data = self._open + data
        cut = OPEN.search(data)
        self._open = data[cut.start() :] if cut else b""
        self._stream.feed(UNKNOWN.sub(b"", data[: cut.start()] if cut else data))

    @property
    def text(self) -> list[str]:
        """The lines."""
        return list(self._screen.display)

    def line(self, y: int) -> str:
        """One line."""
        row = self._screen.buffer[y]
        return "".join(row[x].data for x in range(self._screen.columns))

    def marked(self, lines: Sequence[int]) -> int | None:
        """Of some lines the one that looks like no other: where the cursor is; None if unclear."""
        looks = {y: self._look(y) for y in lines}
        seen = Counter(looks.values())
        alone = [y for y, look in looks.items() if seen[look] == 1]
        return alone[0] if len(alone) == 1 else None

    def _look(self, y: int) -> Look:
        """The look that most cells of a line have."""
        row = self._screen.buffer[y]
        cells = [row[x] for x in range(self._screen.columns)]
        looks = Counter((c.fg if c.reverse else c.bg, c.reverse, c.bold) for c in cells)
        return looks.most_common(1)[0][0]
