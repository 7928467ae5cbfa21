"""What every screen of the console has: a heading, a key bar, and a picture that follows the store.

A screen paints when the app's `fleet_version` changes and it is the one that is seen.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget

from ...agents.protocol.facts import Interest
from ..actions import offered
from ..view import View
from ..widgets.heading import Heading
from ..widgets.keybar import KeyBar

if TYPE_CHECKING:
    from ..app import ConsoleApp


class LiveScreen(Screen[None]):
    """A screen over the live picture."""

    KIND: ClassVar[str] = ""
    """Its name in the table of actions."""

    @property
    def console_app(self) -> "ConsoleApp":
        """The app, with its own type."""
        return cast("ConsoleApp", self.app)

    @property
    def view(self) -> View:
        """The present."""
        return self.console_app.view

    @property
    def place(self) -> str:
        """What the heading calls this screen."""
        return self.KIND.capitalize()

    @property
    def heading_place(self) -> str:
        """The place as it is now, with what a person should not overlook."""
        return self.place

    def interest(self) -> Interest:
        """What this screen shows beyond samples and facts."""
        return Interest()

    def body(self) -> Iterable[Widget]:
        """The widgets between heading and key bar."""
        return ()

    def paint(self) -> None:
        """Show the present: called when the store changed and when the screen is seen again."""

    def compose(self) -> ComposeResult:
        """Heading, body, key bar."""
        yield Heading(self.view, self.place)
        yield from self.body()
        yield KeyBar(offered(self.KIND, readonly=self.console_app.readonly))

    def on_mount(self) -> None:
        """Follow the store."""
        self.watch(self.app, "fleet_version", self._follow, init=False)

    def on_resize(self) -> None:
        """The parts share the lines anew, once they know their own sizes."""
        self.call_after_refresh(self.repaint)

    def on_screen_resume(self) -> None:
        """Seen again: say what is shown, and show it."""
        self.console_app.feed.show(self.interest())
        self.repaint()

    def repaint(self) -> None:
        """Heading and body, now."""
        if self.is_mounted:
            self.repaint_heading()
            self.paint()

    def repaint_heading(self) -> None:
        """The heading alone: its clock and age go on without news."""
        for heading in self.query(Heading):
            heading.place = self.heading_place
            heading.repaint()

    def action_press(self, name: str) -> None:
        """A click in the key bar."""
        self.call_later(self.run_action, name if "." in name else f"screen.{name}")

    def action_back(self) -> None:
        """To the screen before."""
        self.app.pop_screen()

    def _follow(self) -> None:
        if self.is_current:
            self.repaint()
