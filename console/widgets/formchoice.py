"""One of a few values, on one line: arrows and the space bar pick, and so does a click."""

from typing import ClassVar, Final

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from .glyphs import glyphs

GAP: Final = "  "


class Choice(Widget, can_focus=True):
    """Radio buttons without their frame."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", "Before", show=False),
        Binding("right,space", "step(1)", "After", show=False),
    ]

    DEFAULT_CSS = """
    Choice { height: 1; width: 1fr; padding: 0 1; background: $surface; }
    """

    value: reactive[str] = reactive("")
    """The chosen one; one that is not among the choices leaves none chosen."""

    class Changed(Message):
        """Another one was picked."""

        def __init__(self, choice: "Choice", value: str) -> None:
            super().__init__()
            self.choice = choice
            self.value = value

    def __init__(self, choices: tuple[str, ...], value: str) -> None:
        super().__init__()
        self._choices = choices
        self.set_reactive(Choice.value, value)

    def render(self) -> Content:
        """All of them, the chosen one marked."""
        return Content(GAP).join([Content(text) for text in self._labels()])

    def action_step(self, step: int) -> None:
        """Pick the one before or after, around the ends."""
        if self.value in self._choices:
            self._pick(self._choices.index(self.value) + step)
        else:
            self._pick(0)

    def on_click(self, event: events.Click) -> None:
        """Pick the one under the pointer."""
        left = self.styles.padding.left
        for at, label in enumerate(self._labels()):
            if left <= event.x < left + len(label):
                self._pick(at)
            left += len(label) + len(GAP)

    def _labels(self) -> list[str]:
        marks = glyphs()
        return [
            f"{marks.ok if each == self.value else marks.idle} {each}" for each in self._choices
        ]

    def _pick(self, at: int) -> None:
        value = self._choices[at % len(self._choices)]
        if value != self.value:
            self.value = value
            self.post_message(self.Changed(self, value))
