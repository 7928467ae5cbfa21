"""A log that follows its end, unless a person reads further up."""

from collections.abc import Mapping, Sequence

from textual.widgets import Log

from ...agents.protocol.jobs import LogLine, LogPiece
from ..logtext import LogFilter, LogText


class LogTail(Log):
    """Whoever has scrolled up stays where they read; whoever is at the end stays at the end."""

    DEFAULT_CSS = """
    LogTail { background: $background; }
    LogTail:focus { background-tint: $background 0%; }
    """

    _following = True

    def append(self, text: str) -> None:
        """Write at the end."""
        self.write(text, scroll_end=self._following)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Only scrolling says whether one wants to follow: a new size or line does not."""
        super().watch_scroll_y(old_value, new_value)
        self._following = self.is_vertical_scroll_end

    def on_resize(self) -> None:
        """With fewer lines the end would be out of sight."""
        if self._following:
            self.scroll_end(animate=False, immediate=True, x_axis=False)


class JobLog(LogTail):
    """What the ranks of a job print: the past as the agent merges it, then what comes."""

    def __init__(self, *, max_lines: int, id: str | None = None) -> None:
        super().__init__(max_lines=max_lines, id=id)
        self._text = LogText()
        self.marked = False
        """Whether each line says which rank printed it."""

    def begin(self, chosen: LogFilter) -> None:
        """A new page, of the lines that a filter lets through."""
        self._text.clear(chosen)
        self.clear()
        self._following = True

    def load(self, lines: Sequence[LogLine], ends: Mapping[int, int]) -> None:
        """The past; see `LogText.past`."""
        self._add(self._text.past(lines, ends, marked=self.marked))

    def take(self, piece: LogPiece) -> None:
        """What is not on the page yet."""
        self._add(self._text.taken(piece, marked=self.marked))

    def _add(self, text: str) -> None:
        if text:
            self.append(text)
