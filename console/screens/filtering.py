"""The `/` line of a screen with grids: rows without the words are hidden as one types."""

from textual.widgets import Input

from ..widgets.grid import Grid
from ..widgets.prompt import Prompt
from .live import LiveScreen


class Filtering(LiveScreen):
    """A screen with one or more grids."""

    def action_filter(self) -> None:
        """Open the line."""
        if not self.query(Prompt):
            grid = self._filtered_grid()
            prompt = Prompt("/", grid.filter_text)
            self.mount(prompt)
            prompt.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter as one types."""
        if isinstance(event.input, Prompt) and event.input.kind == "/":
            self._filtered_grid().set_filter(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter and go back to the grid."""
        if isinstance(event.input, Prompt) and event.input.kind == "/":
            self._close(event.input)

    def on_prompt_left(self, event: Prompt.Left) -> None:
        """Show all rows again."""
        if event.prompt.kind == "/":
            self._filtered_grid().set_filter("")
            self._close(event.prompt)

    def _filtered_grid(self) -> Grid:
        """The grid that has or had the focus, else the first."""
        focused = self.focused
        return focused if isinstance(focused, Grid) else self.query(Grid).first()

    def _close(self, prompt: Prompt) -> None:
        prompt.remove()
        self._filtered_grid().focus()
