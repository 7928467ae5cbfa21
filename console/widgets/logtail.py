"""A log that follows its end, unless a person reads further up."""

from textual.widgets import Log


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
