"""The form of a job: are these the settings that it shall run with?"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, cast

from rich.markup import escape
from textual import events, work
from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from ...agents.errors import LlmosError, SpecError
from ...agents.protocol.jobs import JobRequest
from ...engine import specs
from ..forms import values
from ..forms.commandline import command_line
from ..forms.draft import Draft, Fault
from ..forms.editor import edited
from ..forms.fields import Field
from ..widgets.form import Form
from ..widgets.formrow import FormRow, told
from ..widgets.glyphs import glyphs

if TYPE_CHECKING:
    from ..app import ConsoleApp

CHECK: Final = "check"
"""The group of the worker that looks at files."""

CHECK_SECONDS: Final = 0.3
"""After the last key, before the files that a spec names are looked at."""

LINES: Final = 4
"""For the equal command line."""

LINE: Final = 70
"""Cells of each, before it is known."""

LOST: Final = 12
"""Cells of each that wrapping may leave empty."""

HOW: Final = {
    "words": "Words as in a shell.",
    "pairs": "NAME=value words, as in a shell.",
    "toml": "In TOML.",
    "choice": "Left and right pick.",
}
"""What a person should know of how a value is typed."""

KEYS: Final = (
    ("launch", "Launch", "^S", "Start the job with these settings"),
    ("every", "All fields", "a ^T", "Show all that can be set, or only what matters first"),
    ("editor", "Editor", "e ^O", "The whole spec in $EDITOR"),
    ("copy", "Copy line", "c ^Y", "The equal command line, to the clipboard"),
    ("back", "Back", "Esc", "To the examples and scripts; what was typed is kept"),
)
"""Action, title, keys (a letter while no text is typed) and meaning of each button."""


class LaunchFormScreen(ModalScreen[None]):
    """Every setting of a job, its faults, and the command line that does the same."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "launch", "Launch", show=False),
        Binding("a,ctrl+t", "every", "All fields", show=False),
        Binding("e,ctrl+o", "editor", "Editor", show=False),
        Binding("c,ctrl+y", "copy", "Copy", show=False),
        Binding("escape", "back", "Back", show=False),
        Binding("up", "app.focus_previous", "Up", show=False),
        Binding("down", "app.focus_next", "Down", show=False),
        Binding("left", "app.focus_previous", "Left", show=False),
        Binding("right", "app.focus_next", "Right", show=False),
    ]

    AUTO_FOCUS = ""  # it leads to where something is to be said

    DEFAULT_CSS = """
    LaunchFormScreen Form { height: 1fr; }
    LaunchFormScreen #help { height: 3; margin-top: 1; }
    LaunchFormScreen #status { height: auto; max-height: 2; }
    LaunchFormScreen #same { height: auto; max-height: 4; }
    LaunchFormScreen #buttons { height: 1; }
    LaunchFormScreen Button { margin-right: 1; min-width: 0; }
    """

    def __init__(self, draft: Draft, over: ModalScreen[None] | None = None) -> None:
        super().__init__()
        self.draft = draft
        self._over = over
        """The screen that leads here, and goes as well once the job is submitted."""

        self._folder = Path.cwd()
        self._every = False
        self._unread: str | None = None
        """What a person wrote in the editor that is no TOML: kept until it is mended or dropped."""

    @property
    def console_app(self) -> "ConsoleApp":
        """The app, with its own type."""
        return cast("ConsoleApp", self.app)

    def compose(self) -> ComposeResult:
        """The form, help for its field, how it stands, the command line, the buttons."""
        with Vertical(classes="dialogue") as dialogue:
            dialogue.border_title = escape(f"Start a job: {self.draft.source or self.draft.kind}")
            yield Form(self.draft)
            yield Static(id="help", classes="dim", markup=False)
            yield Static(id="status", markup=False)
            yield Static(id="same", markup=False)
            with Horizontal(id="buttons"):
                for action, title, keys, meaning in KEYS:
                    yield Button(
                        Content.assemble(title, (f" {keys}", "$key")), id=action, tooltip=meaning
                    )

    def on_mount(self) -> None:
        """Where something is to be said yet, begin there; else one key is enough."""
        self._show()
        self._begin()

    def _begin(self) -> None:
        faults = self.draft.faults()
        if faults or not self.draft.says_anything:
            self.query_one(Form).lead_to(next(iter(faults), ""))
        else:
            self.query_one("#launch", Button).focus()

    def on_form_row_changed(self, message: FormRow.Changed) -> None:
        """Take it over, and check."""
        self.draft.set(message.path, message.text)
        self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """On to the next field."""
        event.stop()
        self.focus_next()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """What the key would do."""
        event.stop()
        self.call_later(self.run_action, f"screen.{event.button.id}")

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Tell of the field that has the keys."""
        row = next((each for each in event.widget.ancestors if isinstance(each, FormRow)), None)
        button = event.widget if isinstance(event.widget, Button) else None
        meanings = {action: meaning for action, _, _, meaning in KEYS}
        text = _help(row.field) if row else meanings.get((button and button.id) or "", "")
        self.query_one("#help", Static).update(told(text))

    def action_every(self) -> None:
        """All fields, or those that matter first."""
        self._every = not self._every
        self._show()

    def action_copy(self) -> None:
        """The equal command line."""
        self.console_app.copy(command_line(self.draft, self._folder))

    def action_back(self) -> None:
        """Drop what could not be read; where nothing is such, leave."""
        if self._unread is not None:
            self._unread = None
            self._show()
        else:
            self.app.pop_screen()

    def action_launch(self) -> None:
        """Submit, unless something is off."""
        from .launch import hand_in

        faults = self.draft.faults()
        if self._unread is not None or faults:
            self.app.bell()
            self.query_one(Form).lead_to(next(iter(faults), ""))
        else:
            hand_in(
                self.console_app, lambda: [self.draft.request(self._folder)], self._over or self
            )

    async def action_editor(self) -> None:
        """The spec in the person's editor, and back."""
        before = self.draft.document() if self._unread is None else self._unread
        try:
            with self.app.suspend():
                text = edited(before, f"{self.draft.kind}.toml")
        except SuspendNotSupported:
            self.app.notify("this terminal cannot show an editor", severity="error")
        except LlmosError as error:
            self.app.notify(str(error), severity="error", timeout=10)
        else:
            await self._take(text)
        self.app.refresh(layout=True)

    async def _take(self, text: str) -> None:
        try:
            draft = self.draft.replace(text)
        except SpecError as error:
            self._unread = text
            self.workers.cancel_group(self, CHECK)
            self._tell(Fault("", f"{error}; e opens it again, Escape drops it"))
            return
        self._unread = None
        if draft is not self.draft:
            self.draft = draft
            self.workers.cancel_group(self, CHECK)
            await self.recompose()
            self._show()
            self._begin()
        self._show()

    def _show(self) -> None:
        """The draft as it is now, and soon what the files that it names come to."""
        if self._unread is not None:
            return
        faults = self.draft.faults()
        self._paint(faults)
        if not faults:
            self._check()
        else:
            self.workers.cancel_group(self, CHECK)

    def _paint(self, faults: dict[str, Fault], *, checked: bool = False) -> None:
        if not all(self.query(part) for part in (Form, "#status", "#same")):
            return  # closed, part by part, while a check of it comes to its end
        folded = self.query_one(Form).show(faults, every=self._every)
        self._tell(next(iter(faults.values()), None), checked=checked, folded=folded)
        self._show_line(command_line(self.draft, self._folder))
        self.call_after_refresh(self._keep_in_sight)

    def _keep_in_sight(self) -> None:
        """Whatever room the lines below took: one sees what one types."""
        if self.focused is not None and any(
            isinstance(each, Form) for each in self.focused.ancestors
        ):
            self.focused.scroll_visible(animate=False)

    def _show_line(self, line: str) -> None:
        """The equal command line, or of a long one what there is room for."""
        room = LINES * ((self.query_one(Form).size.width or LINE) - LOST)
        if len(line) > room:
            rest = f"{glyphs().ellipsis} (^Y copies all of it)"
            line = line[: room - len(rest)] + rest
        same = Content.assemble(("$ ", "$faint"), told(line))
        self.query_one("#same", Static).update(same)

    def _tell(self, fault: Fault | None, *, checked: bool = False, folded: int = 0) -> None:
        """The first fault, or that there is none; and how much is not seen."""
        marks = glyphs()
        status = self.query_one("#status", Static)
        more = f" {marks.separator} {folded} more fields: ^T" if folded else ""
        if fault is not None:
            said = f"{marks.bad} {fault.text}"
        else:
            said = f"{marks.ok} ready" if checked else f"{marks.info} looking at files"
            said += more
        status.set_classes("bad" if fault else "ok" if checked else "info")
        status.update(told(said))

    @work(group=CHECK, exclusive=True, description="looks at files")
    async def _check(self) -> None:
        """What only a look at files can tell."""
        await asyncio.sleep(CHECK_SECONDS)
        table = self.draft.whole()
        try:
            await asyncio.to_thread(_looked_up, table, self._folder)
        except SpecError as error:
            fault = self.draft.fault(str(error))
            self._paint({fault.place: fault})
        else:
            self._paint({}, checked=True)


def _looked_up(table: specs.Table, folder: Path) -> JobRequest:
    return specs.request(specs.validate(table), folder)


def _help(field: Field) -> str:
    """A field's place, what it takes, and its docstring."""
    place = field.place.removeprefix("$.")
    unsaid = field.default in (None, "", [], {})
    default = "" if unsaid else f", by default {values.write(field.shape, field.default)}"
    how = HOW.get(field.shape.sort, "")
    return " ".join(
        part for part in (f"{place}: {field.expected}{default}.", field.doc, how) if part
    )
