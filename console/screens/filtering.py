"""The `/` line of a screen with grids: rows without the words are hidden as one types."""

from textual.widgets import Input

from ..widgets.grid import Grid
from ..widgets.prompt import Prompt
from .live import LiveScreen


class Filtering(LiveScreen):
    """A screen with one or more grids."""

    _filtered: Grid | None = None
    """The grid that the words are for: the one that had the keys."""

    @property
    def heading_place(self) -> str:
        """The words of a filter stand in the heading, so that nobody misses the other rows."""
        said = " ".join(f"/{grid.filter_text}" for grid in self.query(Grid) if grid.filter_text)
        return f"{self.place} {said}" if said else self.place

    def action_filter(self) -> None:
        """Open the line."""
        if not self.query(Prompt):
            focused = self.focused
            self._filtered = focused if isinstance(focused, Grid) else self._first_grid()
            self.mount(Prompt("/", self._filtered.filter_text))

    def action_back(self) -> None:
        """Show all rows again; where all are shown, go to the screen before."""
        filtered = [grid for grid in self.query(Grid) if grid.filter_text]
        for grid in filtered:
            self._show_only(grid, "")
        if not filtered and len(self.app.screen_stack) > 1:
            super().action_back()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter as one types."""
        if isinstance(event.input, Prompt) and event.input.kind == "/" and self._filtered:
            self._show_only(self._filtered, event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter and go back to the grid."""
        if isinstance(event.input, Prompt) and event.input.kind == "/":
            event.input.leave()

    def on_prompt_left(self, event: Prompt.Left) -> None:
        """Show all rows again."""
        if event.prompt.kind == "/" and self._filtered:
            event.stop()
            self._show_only(self._filtered, "")
            event.prompt.leave()

    def _first_grid(self) -> Grid:
        return next(grid for grid in self.query(Grid) if grid.display)

    def _show_only(self, grid: Grid, text: str) -> None:
        grid.set_filter(text)
        self.repaint_heading()
