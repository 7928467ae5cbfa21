"""Launch: which example or script shall run, and is the machine ready for it?"""

import os
import shlex
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from ...agents.errors import LlmosError
from ...agents.protocol.jobs import JobRequest, JobSummary
from ...engine.catalog import KINDS, kind_named
from .confirm import ConfirmScreen

if TYPE_CHECKING:
    from ..app import ConsoleApp


class LaunchScreen(ModalScreen[None]):
    """Examples to pick from, and a line for a spec or a script."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "Back", show=False, tooltip="Start nothing")
    ]

    DEFAULT_CSS = """
    LaunchScreen .dialogue { width: 76; }
    LaunchScreen OptionList { height: auto; max-height: 12; background: $surface; border: none; }
    LaunchScreen Input { margin-top: 1; background: $panel; }
    LaunchScreen Static { margin-top: 1; }
    """

    def compose(self) -> ComposeResult:
        """The examples, the line, a hint."""
        from ...engine.specs import examples

        with Vertical(classes="dialogue") as dialogue:
            dialogue.border_title = "Start a job"
            dialogue.border_subtitle = "Enter starts, Tab moves, Escape leaves"
            yield OptionList(
                *[Option(f"@{each.name}  {each.title}", id=f"@{each.name}") for each in examples()]
            )
            yield Input(placeholder="or: SPEC.toml --set train.steps=100, or: -- script.py args")
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
            "Enter offers to install." if can_install() else "Type: pip install 'llmos[engine]'"
        )
        return f"Not installed yet: {', '.join(sorted(needed))}\n{remedy}"

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """An example was picked."""
        self._start([event.option.id or ""])

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show the equal command line."""
        self.query_one("#same", Static).update(f"The same as: llmos run {event.option.id}")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the equal command line."""
        self.query_one("#same", Static).update(f"The same as: llmos run {event.value}")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """A line was entered."""
        try:
            self._start(shlex.split(event.value))
        except ValueError as error:
            self.app.notify(f"{event.value}: {error}", severity="error")

    def _start(self, words: list[str]) -> None:
        from ..app import ConsoleApp

        app = self.app
        assert isinstance(app, ConsoleApp)  # noqa: S101 - the screens of no other app
        if words:
            submit_words(app, words, over=self)


def submit_words(app: "ConsoleApp", words: list[str], over: LaunchScreen | None = None) -> None:
    """Submit what `llmos run WORDS` would, and open the job; what is off is told."""
    if not app.may_change():
        return
    try:
        request = request_of(words)
    except LlmosError as error:
        app.notify(str(error), severity="error", timeout=12)
        return
    if over is not None:
        app.pop_screen()

    def submit() -> None:
        app.run_worker(_submit(app, request), group="submit", description="hands in a job")

    missing = kind_named(request.kind).missing() if app.local else []
    if missing:
        _install_first(app, request.kind, missing, submit)
    else:
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


def request_of(words: list[str]) -> JobRequest:
    """The job that `llmos run WORDS` asks for. Raises LlmosError."""
    from ..requests import request_from_words

    return request_from_words(words, Path.cwd())


async def _submit(app: "ConsoleApp", request: JobRequest) -> None:
    client = await app.attempt(app.connected())
    if client is None:
        return
    job = await app.attempt(client.submit(request))
    if isinstance(job, JobSummary):
        app.feed.store.jobs[job.id] = job
        app.open_job(job.id)
