"""Launch: what shall run, and with which settings?"""

import os
import shlex
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, ClassVar, Final, cast

from textual import events
from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from ...agents.errors import LlmosError
from ...agents.protocol.jobs import JobRequest, JobSummary
from ...engine.catalog import KINDS, kind_named
from ...engine.several import is_list
from ...engine.specs import locate, read
from ..forms.draft import Draft
from ..forms.opening import draft_of, is_spec, script_words
from ..submitting import submit_all
from ..widgets.formline import FileLine
from ..widgets.formrow import told
from .confirm import ConfirmScreen
from .launchform import LaunchFormScreen

if TYPE_CHECKING:
    from ...agents.fleet.client import Client
    from ..app import ConsoleApp


SUBMIT: Final = "submit"
"""The group of the worker that hands in a job: one at a time, however often a key is pressed."""

TEXT_WIDTH: Final = 66
"""Cells: what there is in the dialogue, beside a scroll bar."""


class LaunchScreen(ModalScreen[None]):
    """Examples and kinds to pick from, and a line for a script or a spec."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "Back", show=False, tooltip="Start nothing"),
        Binding("ctrl+s", "start", "Start", show=False, tooltip="Start it as it is"),
    ]

    DEFAULT_CSS = """
    LaunchScreen .dialogue { width: 76; }
    LaunchScreen FileLine { margin-top: 1; background: $panel; }
    LaunchScreen #names { height: 1; padding: 0 1; }
    LaunchScreen #missing { margin-top: 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path.cwd()
        self._drafts: dict[str, Draft] = {}
        """What was opened before, with what was typed into it."""

    def compose(self) -> ComposeResult:
        """The examples, the kinds, the line, the equal command line."""
        with Vertical(classes="dialogue") as dialogue:
            dialogue.border_title = "Start a job"
            dialogue.border_subtitle = "Enter opens, Ctrl+S starts, Tab moves, Escape leaves"
            yield OptionList(*_options())
            yield FileLine(
                self._folder, "or a script with its words, or a spec: train.py --lr 1e-3"
            )
            yield Static(id="names", classes="faint", markup=False)
            yield Static(id="same", classes="dim", markup=False)
            yield Static(self._engine_missing(), id="missing", classes="warn", markup=False)

    def on_mount(self) -> None:
        """What is missing is said where something is."""
        missing = self.query_one("#missing")
        missing.display = bool(self._engine_missing())

    def _engine_missing(self) -> str:
        """What the examples need and this host lacks, and what is to be done."""
        needed = {package for kind in KINDS.values() for package in kind.missing()}
        if not needed:
            return ""
        remedy = (
            "A start offers to install." if can_install() else "Type: pip install 'llmos[engine]'"
        )
        return f"Not installed yet: {', '.join(sorted(needed))}\n{remedy}"

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """An example or a kind was picked."""
        self._open(event.option.id or "")

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show the equal command line."""
        self._show_same(event.option.id or "")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the equal command line."""
        self._show_same(event.value)
        if not event.value:
            self.query_one("#names", Static).update("")

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Back at the list: what is picked there."""
        self._show_same(self._line())

    def on_file_line_completions(self, message: FileLine.Completions) -> None:
        """Show the names that the last word may become."""
        names = message.names if len(message.names) > 1 else []
        self.query_one("#names", Static).update(told("  ".join(names)))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """A line was entered."""
        event.stop()
        self._open(event.value)

    def action_start(self) -> None:
        """Start what is picked or typed, as it is."""
        line, app = self._line(), cast("ConsoleApp", self.app)
        if self._lists_jobs(line):
            hand_in(app, partial(requests_of, _words(line)), self)
            return
        draft = self._draft(line)
        if draft is not None:
            hand_in(app, lambda: [draft.request(self._folder)], self)

    def _lists_jobs(self, line: str) -> bool:
        """Whether a line names a spec of several jobs, for which there is no one form."""
        try:
            first = next((word for word in _words(line) if is_spec(word)), "")
            return first not in KINDS and is_list(read(locate(first, self._folder)))
        except (LlmosError, ValueError):
            return False

    def _ask_for_all(self, line: str) -> None:
        """Show which jobs a spec lists; start them if that is meant."""
        app = cast("ConsoleApp", self.app)
        try:
            requests = requests_of(_words(line))
        except LlmosError as error:
            app.notify(str(error), severity="error", timeout=12)
            return
        width = max(len(each.name) for each in requests)
        text = "\n".join(f"{each.name:<{width}}  {each.kind}" for each in requests)

        def answered(answer: str | None) -> None:
            if answer:
                hand_in(app, lambda: requests, self)

        question = f"Start {len(requests)} jobs, one after the other?"
        same = f"{text}\n\nllmos run {line.strip()}"
        app.push_screen(ConfirmScreen(question, same, [("y", "Start")]), answered)

    def _line(self) -> str:
        """What is picked or typed."""
        picked = self.query_one(OptionList)
        option = picked.highlighted_option
        return (
            self.query_one(FileLine).value
            if not picked.has_focus or not option
            else option.id or ""
        )

    def _open(self, line: str) -> None:
        if self._lists_jobs(line):
            self._ask_for_all(line)
            return
        draft = self._draft(line)
        if draft is not None:
            self.app.push_screen(LaunchFormScreen(draft, over=self))

    def _draft(self, line: str) -> Draft | None:
        """A draft of what a line says; what is off in it is told."""
        if line.strip() and not (line in self._drafts and self._drafts[line].touched):
            try:
                self._drafts[line] = draft_of(_words(line), self._folder)
            except (LlmosError, ValueError) as error:
                self._drafts.pop(line, None)
                said = error if isinstance(error, LlmosError) else f"{line}: {error}"
                self.app.notify(str(said), severity="error", timeout=12)
        return self._drafts.get(line)

    def _show_same(self, line: str) -> None:
        same = "" if line in KINDS else f"The same as: llmos run {script_words(line)}"
        self.query_one("#same", Static).update(told(same) if line.strip() else "")


def _words(line: str) -> list[str]:
    """A line parted as a shell does it. Raises ValueError: an open quote."""
    return [os.path.expanduser(w) if w.startswith("~/") else w for w in shlex.split(line)]


def _options() -> list[Option]:
    """Examples first: they need nothing more."""
    from ...engine.specs import examples

    rows = [(f"@{each.name}", each.title) for each in examples()]
    rows += [(kind.name, kind.title) for kind in KINDS.values()]
    width = max(len(name) for name, _ in rows)
    return [
        Option(Content.assemble((f"{name:<{width}}", "$key"), _beside(title, width + 2)), id=name)
        for name, title in rows
    ]


def _beside(title: str, indent: int) -> str:
    """A title that stays right of the names, also on its further lines."""
    lines = wrap(told(title), TEXT_WIDTH - indent)
    return "  " + f"\n{' ' * indent}".join(lines)


def open_clone(app: "ConsoleApp", request: JobRequest) -> None:
    """The form of a job like one that there was."""
    if not app.may_change():
        return
    try:
        app.push_screen(LaunchFormScreen(Draft.of_request(request)))
    except LlmosError as error:
        app.notify(str(error), severity="error", timeout=12)


def submit_words(app: "ConsoleApp", words: list[str]) -> None:
    """Submit what `llmos run WORDS` would, and open the job; what is off is told."""
    hand_in(app, partial(requests_of, words))


def hand_in(
    app: "ConsoleApp",
    asked: Callable[[], Sequence[JobRequest]],
    over: ModalScreen[None] | None = None,
) -> None:
    """Submit what is asked for, and open the job, or of several the list; what is off is told.

    The screen `over` and those above it stay until the agent has taken the job: a refusal costs
    nothing that was typed.
    """
    if not app.may_change() or any(
        each.group == SUBMIT and each.is_running for each in app.workers
    ):
        return
    try:
        requests = asked()
    except LlmosError as error:
        app.notify(str(error), severity="error", timeout=12)
        return

    def submit() -> None:
        app.run_worker(_submit(app, requests, over), group=SUBMIT, description="hands in jobs")

    for kind in {request.kind for request in requests} if app.local else ():
        missing = kind_named(kind).missing()
        if missing:
            _install_first(app, kind, missing, submit)
            return
    submit()


def can_install() -> bool:
    """Whether this console was started by the checkout's own scripts/run, which installs."""
    return bool(os.environ.get("LLMOS_SCRIPTS_RUN"))


def _install_first(
    app: "ConsoleApp", kind: str, missing: list[str], then: Callable[[], None]
) -> None:
    """Ask, install in the plain terminal with its progress, and go on; or say what to type."""

    def install() -> None:
        from ..cli.engine import require_engine

        try:
            with app.suspend() if can_install() else nullcontext():
                require_engine(kind)
        except SuspendNotSupported:
            app.notify("this terminal cannot show the installation", severity="error")
        except LlmosError as error:
            app.notify(str(error), severity="error", timeout=20)
        else:
            then()

    if not can_install():
        install()  # which says what to type
        return
    text = f"{', '.join(missing)}\n\nscripts/run --install-engine"
    question = f"Install what a job of the kind {kind} needs?"
    app.push_screen(
        ConfirmScreen(question, text, [("y", "Install")]),
        lambda answer: install() if answer else None,
    )


def requests_of(words: list[str]) -> list[JobRequest]:
    """The jobs that `llmos run WORDS` asks for. Raises LlmosError."""
    from ..requests import requests_from_words

    return requests_from_words(words, Path.cwd())


async def _submit(
    app: "ConsoleApp", requests: Sequence[JobRequest], over: ModalScreen[None] | None
) -> None:
    client = await app.attempt(app.connected())
    if client is None:
        return
    jobs = await app.attempt(_all_taken(client, requests))
    if jobs is None:
        return
    while over in app.screen_stack:
        app.pop_screen()
    app.feed.store.jobs |= {job.id: job for job in jobs}
    if len(jobs) == 1:
        app.open_job(jobs[0].id)
    else:
        app.action_jobs()


async def _all_taken(client: "Client", requests: Sequence[JobRequest]) -> list[JobSummary]:
    return [job async for job in submit_all(client, requests)]
