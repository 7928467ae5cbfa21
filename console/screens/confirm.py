"""Confirm: do you mean it? What changes something asks first and shows the equal command line."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static


class ConfirmScreen(ModalScreen[str | None]):
    """A question with some answers; None for Escape. The first answer is the careful one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "answer('')", "No", show=False, tooltip="Change nothing"),
        Binding("left", "app.focus_previous", "Left", show=False),
        Binding("right", "app.focus_next", "Right", show=False),
    ]

    DEFAULT_CSS = """
    ConfirmScreen .dialogue { min-width: 40; width: auto; max-width: 90%; }
    ConfirmScreen .answers { height: auto; width: auto; margin-top: 1; }
    ConfirmScreen Button { margin-right: 2; min-width: 10; }
    """

    def __init__(self, question: str, text: str, answers: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._question = question
        self._text = text
        self._answers = answers
        """Key and words of each; the key is what the screen is dismissed with."""

    def compose(self) -> ComposeResult:
        """The question, the equal command line, the answers."""
        with Vertical(classes="dialogue") as dialogue:
            dialogue.border_title = self._question
            yield Static(self._text, markup=False)
            with Horizontal(classes="answers"):
                yield Button("No (n)", id="answer-none")
                for key, words in self._answers:
                    yield Button(f"{words} ({key})", id=f"answer-{key}", variant="warning")

    def on_key(self, event: object) -> None:
        """The key of an answer gives it."""
        key = getattr(event, "character", None)
        if key and key in dict(self._answers):
            self.dismiss(key)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button gives its answer."""
        key = (event.button.id or "").removeprefix("answer-")
        self.dismiss(None if key == "none" else key)

    def action_answer(self, key: str) -> None:
        """Give an answer by key."""
        self.dismiss(key or None)
