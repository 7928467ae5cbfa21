"""The line that takes a script or a spec, with completion of file names."""

import asyncio
from pathlib import Path

from textual import events
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input

from ..forms.paths import completions


class FileLine(Input):
    """Words as in a shell; Tab completes the last one."""

    class Completions(Message):
        """What the last word may become."""

        def __init__(self, names: list[str]) -> None:
            super().__init__()
            self.names = names

    def __init__(self, folder: Path, placeholder: str) -> None:
        super().__init__(
            placeholder=placeholder, suggester=_Files(folder, self), select_on_focus=False
        )

    def on_key(self, event: events.Key) -> None:
        """Tab takes the suggestion; without one it moves on."""
        if event.key == "tab" and self.value and len(self._suggestion) > len(self.value):
            event.stop()
            event.prevent_default()
            self.action_cursor_right()


class _Files(Suggester):
    """Looks into folders beside the screen, since a network drive may take its time."""

    def __init__(self, folder: Path, line: FileLine) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._folder = folder
        self._line = line

    async def get_suggestion(self, value: str) -> str | None:
        """The line as the first name would make it."""
        found = await asyncio.to_thread(completions, value, self._folder)
        words = [line[len(value) - _typed(value) :] for line in found]
        self._line.post_message(FileLine.Completions(words))
        return found[0] if found else None


def _typed(value: str) -> int:
    """Letters of the name under way: what follows the last slash or space."""
    return len(value) - max(value.rfind("/"), value.rfind(" ")) - 1
