"""Artifacts: what has been made, how good is the newest of each, and what points where?"""

from collections.abc import Iterable
from typing import ClassVar, Final

from textual import work
from textual.binding import BindingType
from textual.widget import Widget

from ...agents.errors import LlmosError
from ...agents.protocol.artifacts import ArtifactVersion
from ..actions import bindings
from ..tables.artifacts import ArtifactTable
from ..widgets.askedgrid import AskedGrid
from ..widgets.grid import Grid
from .filtering import Filtering

ASK_SECONDS: Final = 5.0
"""Between questions while the screen is seen: jobs register, and people move aliases, any time."""

NOTHING_YET: Final = "no artifact yet: jobs that prepare, train or evaluate make them; n starts one"


class ArtifactsScreen(Filtering):
    """A row for each name."""

    KIND = "artifacts"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("artifacts")]
    AUTO_FOCUS = "#grid"

    DEFAULT_CSS = """
    ArtifactsScreen #grid { height: 1fr; margin: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._table = ArtifactTable(self.view_clock)

    def view_clock(self) -> float:
        """Now, in seconds since 1970."""
        return self.view.clock()

    def body(self) -> Iterable[Widget]:
        """One grid."""
        yield AskedGrid(self._table, id="grid")

    def on_mount(self) -> None:
        """Ask from time to time."""
        super().on_mount()
        self.set_interval(ASK_SECONDS, self._ask_again)

    def on_screen_resume(self) -> None:
        """Seen again: much may have happened."""
        super().on_screen_resume()
        self._ask()

    def paint(self) -> None:
        """Show the present."""
        self._grid.update()

    def action_open(self) -> None:
        """Open the artifact under the cursor."""
        if version := self._pointed:
            self.console_app.open_artifact(version.name)

    def on_grid_opened(self, message: Grid.Opened) -> None:
        """Open the artifact of a row."""
        message.stop()
        self.action_open()

    def action_copy(self) -> None:
        """The newest version of the artifact under the cursor, as commands take it."""
        if version := self._pointed:
            self.console_app.copy(f"{version.name}@{version.version}")

    @property
    def _grid(self) -> AskedGrid:
        return self.query_one("#grid", AskedGrid)

    @property
    def _pointed(self) -> ArtifactVersion | None:
        cursor = self._grid.cursor
        named = None if cursor is None else self._table.artifact(cursor)
        return None if named is None else named.newest

    def _ask_again(self) -> None:
        if self.is_current and self.view.link.state == "live":
            self._ask()

    @work(group="artifacts", exclusive=True, description="asks for the artifacts")
    async def _ask(self) -> None:
        try:
            versions = await self.console_app.client.artifacts()
        except LlmosError as error:
            self._grid.say(str(error))
            return
        self._table.show(versions)
        self._grid.say(NOTHING_YET)
        self.repaint()
