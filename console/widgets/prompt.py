"""The line at the foot that takes words: `/` filters as one types, `:` takes a command."""

from typing import TYPE_CHECKING

from textual import events
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widgets import Input

if TYPE_CHECKING:
    from textual.widget import Widget


class Prompt(Input):
    """One line of words, over the key bar; Escape gives it up."""

    DEFAULT_CSS = """
    Prompt { dock: bottom; height: 1; border: none; padding: 0 1; background: $panel; }
    Prompt:focus { border: none; background: $panel; }
    """

    class Left(Message):
        """Escape was pressed."""

        def __init__(self, prompt: "Prompt") -> None:
            self.prompt = prompt
            super().__init__()

    def __init__(self, kind: str, value: str = "", words: tuple[str, ...] = ()) -> None:
        suggester = SuggestFromList(words, case_sensitive=False) if words else None
        super().__init__(value, suggester=suggester, id="prompt", select_on_focus=False)
        self.kind = kind
        """"/" or ":"."""

        self._before: Widget | None = None
        self.placeholder = {
            "/": "words that a row must contain; Escape shows all",
            ":": "a screen or a command; Tab completes, Escape leaves",
        }[kind]

    def on_mount(self) -> None:
        """Take the keys."""
        self._before = self.screen.focused
        self.focus()

    def leave(self) -> None:
        """Go away, and give the keys back to whom they belonged to."""
        if self._before is not None and self._before.is_attached:
            self._before.focus()
        self.remove()

    def on_key(self, event: events.Key) -> None:
        """Escape leaves; Tab takes the suggestion."""
        if event.key == "escape":
            event.stop()
            event.prevent_default()
            self.post_message(self.Left(self))
        elif event.key == "tab" and self.suggester is not None:
            event.stop()
            event.prevent_default()
            self.action_cursor_right()
