"""Stacks: where in its program is each rank, and which one is somewhere else?"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from ..stacktext import Fold, folded

if TYPE_CHECKING:
    from ..app import ConsoleApp


class StacksScreen(ModalScreen[None]):
    """The stacks of a job's ranks, those that are alike once. `t` asks again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "again", "Again", show=False, tooltip="Ask the ranks again"),
        Binding("c", "copy", "Copy", show=False, tooltip="Copy all of it to the clipboard"),
        Binding("escape,minus,q", "app.pop_screen", "Back", show=False),
    ]

    DEFAULT_CSS = """
    StacksScreen .dialogue { width: 90%; height: 90%; }
    StacksScreen Static { width: 1fr; height: auto; }
    """

    def __init__(self, job: str, name: str) -> None:
        super().__init__()
        self._job = job
        self._name = name
        self._text = ""

    def compose(self) -> ComposeResult:
        """One text that scrolls."""
        with VerticalScroll(classes="dialogue") as dialogue:
            dialogue.border_title = Content(f"Stacks of job {self._job} ({self._name})")
            dialogue.border_subtitle = "t asks again, c copies, Escape closes"
            yield Static("asking the ranks", id="stacks", classes="dim", markup=False)

    def on_mount(self) -> None:
        """Ask at once."""
        self.query_one(VerticalScroll).focus()
        self.action_again()

    def action_again(self) -> None:
        """Ask; a question that is still open is given up for this one."""
        self.run_worker(self._ask(), group="stacks", exclusive=True, description="asks for stacks")

    def action_copy(self) -> None:
        """All of it, to the clipboard."""
        if self._text:
            self.app.copy_to_clipboard(self._text)
            self.app.notify(f"copied: the stacks of job {self._job}", timeout=3)

    async def _ask(self) -> None:
        app = cast("ConsoleApp", self.app)
        client = await app.attempt(app.connected())
        told = None if client is None else await app.attempt(client.stacks(self._job))
        shown = self.query_one("#stacks", Static)
        shown.set_class(not told, "dim")
        if told is None:
            shown.update("the agent gave no stacks: t asks again")
            return
        folds = folded(told)
        self._text = "\n\n".join(f"{fold.heading}\n{fold.text}" for fold in folds)
        shown.update(_drawn(folds) if folds else "no rank of this job runs")


def _drawn(folds: Sequence[Fold]) -> Content:
    blocks = [
        Content.assemble((f"{fold.heading}\n", "bold $title"), Content(fold.text)) for fold in folds
    ]
    return Content("\n\n").join(blocks)
