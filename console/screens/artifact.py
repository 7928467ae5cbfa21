"""Artifact: how do its versions compare, what came from what, and which one do the aliases name?"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from textual import work
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.css.scalar import Scalar
from textual.widget import Widget

from ...agents.errors import ArtifactError, LlmosError
from ...agents.protocol.artifacts import ArtifactVersion, FileDigest
from ..actions import bindings
from ..tables.files import FileTable
from ..tables.lineage import LineageTable
from ..tables.versions import METRIC, VersionTable
from ..widgets.artifactlines import ArtifactLines
from ..widgets.askedgrid import AskedGrid
from ..widgets.grid import Grid
from ..widgets.partbar import PartBar
from .artifactaliases import AliasActions, said
from .artifacts import ASK_SECONDS
from .filtering import Filtering

ALL_AT_ONCE: Final = (120, 34)
"""Columns and lines from which there is room for every part."""

PARTS: Final = {"Versions": "versions", "Lineage": "lineage", "Files": "files"}
"""Name → id of its grid."""

MOVING_SECONDS: Final = 0.1
"""The cursor rests so long on a version before it is looked at closer."""

LEAST_LINES: Final = 4
"""Of the versions where all parts are shown."""

FEW_FACTS: Final = 4
"""Lines of them where there is little room."""

LOCAL: Final = "file://"


class ArtifactScreen(AliasActions, Filtering):
    """Versions with their metrics, the lineage of one of them, its files."""

    KIND = "artifact"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("artifact")]
    AUTO_FOCUS = "#versions"

    DEFAULT_CSS = """
    ArtifactScreen Grid { height: 1fr; margin: 0 1; }
    ArtifactScreen #around { height: 1fr; margin-top: 1; }
    ArtifactScreen #around Grid { width: 1fr; }
    ArtifactScreen.-parts #facts { margin: 0; }
    ArtifactScreen.-parts #around { margin: 0; }
    """

    def __init__(self, name: str, wanted: str = "") -> None:
        super().__init__()
        self._artifact = name
        self._wanted = wanted
        """The number or the alias of the version on which the cursor begins."""

        self._versions = VersionTable(self._now)
        self._lineage = LineageTable(self._now)
        self._files = FileTable()
        self._known: Sequence[ArtifactVersion] = ()
        self._looked_at: str | None = None
        """The digest of which lineage and files are shown."""

        self._marked: list[int] = []
        self._part = next(iter(PARTS))

    @property
    def artifact(self) -> str:
        """Of the artifact."""
        return self._artifact

    @property
    def place(self) -> str:
        """Which artifact."""
        return f"Artifact {self._artifact}"

    @property
    def heading_place(self) -> str:
        """With what is compared, and the words of a filter."""
        marked = self._marked
        count = f" ({len(marked)} marked, against @{marked[0]})" if len(marked) > 1 else ""
        return f"{super().heading_place}{count or (' (1 marked)' if marked else '')}"

    def body(self) -> Iterable[Widget]:
        """Facts, versions, lineage, files."""
        yield ArtifactLines(self.view)
        yield PartBar()
        yield AskedGrid(self._versions, id="versions")
        yield Horizontal(
            AskedGrid(self._lineage, id="lineage", ordered=True),
            AskedGrid(self._files, id="files"),
            id="around",
        )

    def on_mount(self) -> None:
        """Ask from time to time."""
        super().on_mount()
        self.set_interval(ASK_SECONDS, self._ask_again)

    def on_screen_resume(self) -> None:
        """Seen again: much may have happened."""
        super().on_screen_resume()
        self._looked_at = None
        self._ask()

    def chosen_version(self) -> ArtifactVersion | None:
        """The one under the cursor of the versions."""
        cursor = self._grid("versions").cursor
        return None if cursor is None else self._versions.version(cursor)

    def known_versions(self) -> Sequence[ArtifactVersion]:
        """All of this name."""
        return self._known

    def aliases_moved(self) -> None:
        """Ask where they point now."""
        if self.is_running:
            self._ask()

    def paint(self) -> None:
        """Show the present."""
        self._versions.marked = self._marked
        self._arrange()
        for grid in self.query(AskedGrid):
            grid.update()
        self._paint_facts()

    def on_grid_pointed(self, message: Grid.Pointed) -> None:
        """Look closer at the version that the cursor came to."""
        if message.grid.id == "versions":
            self._paint_facts()
            self._look()

    def on_grid_opened(self, message: Grid.Opened) -> None:
        """Open what a row is about."""
        message.stop()
        self._open(message.grid)

    def action_open(self) -> None:
        """Open what the row under the cursor is about."""
        if isinstance(self.focused, Grid):
            self._open(self.focused)

    def action_mark(self) -> None:
        """Mark the version under the cursor, or take its mark away, and go on to the next."""
        version = self.chosen_version()
        if version is None or not self._grid("versions").display:
            return
        number = version.version
        if number in self._marked:
            self._marked.remove(number)
        else:
            self._marked.append(number)
        self.repaint()
        self._grid("versions").action_move(1)

    def action_back(self) -> None:
        """Take the marks away; where there are none, the filter, then this screen."""
        if self._marked:
            self._marked = []
            self.repaint()
        else:
            super().action_back()

    def action_copy(self) -> None:
        """The version that is meant, as commands take it."""
        if self.focused is self._grid("lineage"):
            version = self._in_lineage
        else:
            version = self.chosen_version()
        self.console_app.copy(None if version is None else said(version))

    def action_next_part(self) -> None:
        """The next part; where all are shown, the keys go to the next."""
        if self._all_at_once:
            self.focus_next()
        else:
            self.action_show_part(self.query_one(PartBar).beside(1))

    def action_part_before(self) -> None:
        """The part before, in the same way."""
        if self._all_at_once:
            self.focus_previous()
        else:
            self.action_show_part(self.query_one(PartBar).beside(-1))

    def action_show_part(self, part: str) -> None:
        """Show a part by its name, and give it the keys."""
        self._part = part
        self.repaint()
        self._grid(PARTS[part]).focus()

    @property
    def _all_at_once(self) -> bool:
        return self.size.width >= ALL_AT_ONCE[0] and self.size.height >= ALL_AT_ONCE[1]

    @property
    def _in_lineage(self) -> ArtifactVersion | None:
        cursor = self._grid("lineage").cursor
        return None if cursor is None else self._lineage.version(cursor)

    def _now(self) -> float:
        return self.view.clock()

    def _grid(self, id: str) -> AskedGrid:
        return self.query_one(f"#{id}", AskedGrid)

    def _arrange(self) -> None:
        """Show the parts for which there is room."""
        wide = self._all_at_once
        for part, grid in PARTS.items():
            self._grid(grid).display = wide or part == self._part
        self.query_one("#around").display = wide or self._part != "Versions"
        bar = self.query_one(PartBar)
        bar.display = not wide
        bar.show(list(PARTS), self._part)
        self.set_class(not wide, "-parts")
        self.query_one(ArtifactLines).most = 0 if wide else FEW_FACTS
        versions = self._grid("versions")
        most = min(max(versions.lines_wanted, LEAST_LINES), self.size.height // 2)
        height = Scalar.from_number(most) if wide else Scalar.parse("1fr")
        if versions.styles.height != height:
            versions.styles.height = height

    def _paint_facts(self) -> None:
        lines = self.query_one(ArtifactLines)
        lines.version = version = self.chosen_version()
        lines.differences = (version and self._versions.differences(version)) or {}
        left_out = self._grid("versions").left_out
        lines.unseen = [key[len(METRIC) :] for key in left_out if key.startswith(METRIC)]
        lines.repaint()

    def _open(self, grid: Grid) -> None:
        if grid.id == "versions":
            self._open_job()
        elif grid.id == "lineage" and grid.cursor is not None:
            self._open_relative(grid.cursor)

    def _open_job(self) -> None:
        """The job that made the version under the cursor."""
        version = self.chosen_version()
        if version is None:
            return
        if version.job is None:
            self.notify(f"{said(version)} was imported: no job made it", severity="warning")
        elif version.job not in self.view.store.jobs:
            self.notify(f"job {version.job} is not known here any more", severity="warning")
        else:
            self.console_app.open_job(version.job)

    def _open_relative(self, row: int) -> None:
        """What the lineage names; a version of this artifact is pointed out among the others."""
        version = self._lineage.version(row)
        if version is None:
            self.notify(f"no artifact here has the digest {self._lineage.digest(row)}")
        elif version.name != self._artifact:
            self.console_app.open_artifact(version.name, str(version.version))
        else:
            self._point_out(version.version)
            if not self._all_at_once:
                self.action_show_part("Versions")

    def _point_out(self, version: int) -> None:
        grid = self._grid("versions")
        grid.cursor = version
        grid.action_move(0)  # scrolls to it

    def _ask_again(self) -> None:
        if self.is_current and self.view.link.state == "live":
            self._ask()

    @work(group="versions", exclusive=True, description="asks for the versions")
    async def _ask(self) -> None:
        grid = self._grid("versions")
        try:
            self._known = await self.console_app.client.artifacts(self._artifact)
        except LlmosError as error:
            grid.say(str(error))
            return
        grid.say(f"no artifact is called {self._artifact}: 3 lists all")
        self._versions.show(self._known)
        self._marked = [one for one in self._marked if self._versions.version(one) is not None]
        self.repaint()
        self._begin_at_wanted()
        self._look()

    def _begin_at_wanted(self) -> None:
        wanted, self._wanted = self._wanted, ""
        if not wanted or not self._known:
            return
        for version in self._known:
            if wanted in (str(version.version), *version.aliases):
                self._point_out(version.version)
                return
        self.notify(f"there is no {self._artifact}@{wanted}; the newest is shown")

    def _look(self) -> None:
        """Look closer at the version under the cursor."""
        version = self.chosen_version()
        if version is None or version.digest == self._looked_at:
            return
        self._looked_at = version.digest
        self._look_at(version)

    @work(group="look", exclusive=True, description="asks for lineage and files")
    async def _look_at(self, version: ArtifactVersion) -> None:
        await asyncio.sleep(MOVING_SECONDS)
        lineage = files = None
        try:
            lineage = await self.console_app.client.lineage(said(version))
        except LlmosError as error:
            self._grid("lineage").say(str(error))
        try:
            files = await self._files_of(version)
        except LlmosError as error:
            self._grid("files").say(str(error))
        self._lineage.show(lineage)
        self._files.show(files or ())
        self.repaint()

    async def _files_of(self, version: ArtifactVersion) -> Sequence[FileDigest]:
        """Of a store on this machine; of others a person asks the command line."""
        if not version.uri.startswith(LOCAL) or not self.console_app.local:
            raise ArtifactError(f"they lie in {version.uri}, which is not read from here")
        try:
            return await asyncio.to_thread(_manifest_files, version.uri, version.digest)
        except ImportError as error:
            raise ArtifactError("to read a store, install llmos[engine]") from error


def _manifest_files(uri: str, digest: str) -> Sequence[FileDigest]:
    """As the store tells them. On a thread: it imports fsspec, and a disk may be slow."""
    from ...engine.artifacts.store import Store

    return Store(uri).manifest(digest).files
