"""The console: agent stream → one worker → store → `fleet_version` → widgets paint what is seen."""

import asyncio
import gc
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual.app import App
from textual.binding import Binding, BindingType
from textual.notifications import SeverityLevel
from textual.reactive import reactive
from textual.widgets import Input

from ..agents.errors import LlmosError
from . import lastscreen, themes
from .actions import app_bindings
from .feed import Feed
from .messages import EventHappened, LinkChanged, LogArrived, MetricsArrived
from .picture import Picture
from .repaint import exact
from .screens.fleet import FleetScreen
from .screens.live import LiveScreen
from .settings import Settings
from .view import Clock, View
from .widgets.glyphs import glyphs
from .widgets.prompt import Prompt
from .widgets.scrollbar import choose_scroll_bars

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from rich.console import RenderableType
    from textual.screen import Screen

    from ..agents.fleet.address import Address
    from ..agents.fleet.client import Client
    from ..agents.locations import Locations

TICK_SECONDS: Final = 1.0
SAVE_SECONDS: Final = 60.0

LEAVING: Final = (signal.SIGTERM, signal.SIGHUP)
"""Signals upon which the terminal is given back as it was."""

LEAVING_SECONDS: Final = 1.0
"""For giving it back."""

INTERVALS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between samples that a person may choose."""


class ConsoleApp(App[int]):
    """The screen over one agent."""

    TITLE = "llmos"
    ENABLE_COMMAND_PALETTE = False
    CSS_PATH: ClassVar[list[Any]] = list(themes.STYLE_SHEETS)
    BINDINGS: ClassVar[list[BindingType]] = [
        *app_bindings(),
        Binding("ctrl+c", "interrupt", "Quit", show=False, priority=True, system=True),
    ]

    fleet_version: reactive[int] = reactive(0, init=False, repaint=False)
    """The store's version at the last update: screens watch it."""

    def __init__(
        self,
        address: "Address",
        own: "Locations | None" = None,
        *,
        readonly: bool = False,
        settings: Settings | None = None,
        autostart: bool = True,
        clock: Clock = time.time,
    ) -> None:
        super().__init__()
        self.settings = settings or Settings.load()
        self.readonly = readonly
        self.local = own is not None
        """Whether the agent is our own: then jobs run in our own environment."""

        self._autostart = autostart
        self._own = own
        self._updated = 0.0
        self._picture = Picture(own.last_picture) if own is not None else None
        self.feed = Feed(
            address, own, self.settings.interval, self.post_message, picture=self._picture
        )
        self.view = View(self.feed, self.settings, clock)
        self.set_class(glyphs().name == "ascii", "-ascii")
        choose_scroll_bars()
        for theme in themes.themes():
            self.register_theme(theme)
        self.theme = self.settings.theme if self.settings.theme in themes.NAMES else themes.DEFAULT
        if self._picture is not None:
            self._picture.load(self.feed.store)

    def _display(self, screen: "Screen[Any]", renderable: "RenderableType | None") -> None:
        """Send the terminal what changed and no more."""
        super()._display(screen, exact(renderable))

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """What our style sheets use, whatever theme is set."""
        return themes.variables()

    def get_default_screen(self) -> FleetScreen:
        """The console opens on the fleet."""
        return FleetScreen()

    def on_mount(self) -> None:
        """Start the worker, once the last known picture is on the screen."""
        self.call_after_refresh(self._begin)
        if not self.is_headless:
            loop = asyncio.get_running_loop()
            for number in LEAVING:
                loop.add_signal_handler(number, self._leave, number)

    def _begin(self) -> None:
        """The first picture stands. What was made until now stays, and is walked no more."""
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        if self._autostart:
            self.run_worker(
                self.feed.run(), name="feed", group="feed", description="fills the store"
            )
        self.set_interval(TICK_SECONDS, self._tick)
        self.set_interval(SAVE_SECONDS, self.save_picture)

    def save_picture(self) -> None:
        """Keep the present for the next start."""
        if self._own is None or self._picture is None:
            return
        self._picture.save()
        if isinstance(self.screen, FleetScreen) and self.feed.link.state == "live":
            strips = self.screen._compositor.render_strips()
            # The state of the link and the clock at its right end are no picture of the past.
            strips[0] = strips[0].crop(0, max(self.size.width - lastscreen.NOTE, 0))
            lines = [strip.render(self.console) for strip in strips]
            lastscreen.save(self._own.last_screen, lines, self.size.width)

    async def connected(self) -> "Client":
        """The client, also as what `attempt` can ask for."""
        return self.client

    @property
    def client(self) -> "Client":
        """Asks the agent. Raises LlmosError before the first connection."""
        if self.feed.client is None:
            raise LlmosError("the agent has not answered yet; wait a moment")
        return self.feed.client

    def on_fleet_updated(self) -> None:
        """The store changed."""
        self.fleet_version = self.feed.store.version
        self._updated = time.monotonic()

    def on_link_changed(self, message: LinkChanged) -> None:
        """The connection came or went."""
        if isinstance(self.screen, LiveScreen):
            self.screen.repaint()
        if self.feed.link.state == "refused":
            self.notify(self.feed.link.why, severity="error", timeout=30)

    def on_metrics_arrived(self, message: MetricsArrived) -> None:
        """Numbers of a job that is shown."""
        self._pass_on(message)

    def on_log_arrived(self, message: LogArrived) -> None:
        """Lines of a job that is shown."""
        self._pass_on(message)

    def on_event_happened(self, message: EventHappened) -> None:
        """Tell of what happened while we look; what lies behind us is on record."""
        event = message.event
        if event.severity != "info" and self.view.clock() - event.time < 60:
            self.notify(event.text, title=event.source, severity=event.severity, timeout=15)

    def open_node(self, slot: int, row: int | None = None) -> None:
        """Look closer at a node, with the cursor on one of its GPUs."""
        from .screens.node import NodeScreen

        if isinstance(self.screen, NodeScreen):
            self.pop_screen()
        self.push_screen(NodeScreen(slot, row))

    def open_job(self, job: str) -> None:
        """Look closer at a job."""
        from .screens.job import JobScreen

        if isinstance(self.screen, JobScreen):
            self.pop_screen()
        self.push_screen(JobScreen(job))

    def open_artifact(self, name: str, version: str = "") -> None:
        """Look closer at an artifact, with the cursor on a version or on that of an alias."""
        from .screens.artifact import ArtifactScreen

        if isinstance(self.screen, ArtifactScreen) and self.screen.artifact == name:
            self.pop_screen()
        self.push_screen(ArtifactScreen(name, version))

    def copy(self, text: str | None) -> None:
        """To the clipboard of the terminal (OSC 52)."""
        if text:
            self.copy_to_clipboard(text)
            self.notify(f"copied: {text}", timeout=3)

    def may_change(self) -> bool:
        """Whether this console may change something; where it may not, it says so."""
        if self.readonly:
            self.notify("this console is read-only", severity="warning")
        return not self.readonly

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Tell in a corner. Names and errors may hold brackets, so nothing is ever markup."""
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=False)

    async def attempt(self, asked: "Awaitable[Any]") -> Any:
        """Ask the agent; what it refuses is told, and None is the answer."""
        try:
            return await asked
        except LlmosError as error:
            self.notify(str(error), severity="error", timeout=10)
            return None

    def action_help(self) -> None:
        """The keys of this screen."""
        from .screens.help import HelpScreen

        if isinstance(self.screen, LiveScreen):
            self.push_screen(HelpScreen(self.screen, readonly=self.readonly))

    def action_command(self) -> None:
        """The `:` line."""
        from .screens.command import open_command_line

        open_command_line(self)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the `:` line."""
        from .screens import command

        if isinstance(event.input, Prompt) and event.input.kind == ":":
            command.submitted(self, event)

    def on_prompt_left(self, event: Prompt.Left) -> None:
        """Escape in the `:` line."""
        event.prompt.leave()

    def action_jobs(self) -> None:
        """Every job."""
        from .screens.jobs import JobsScreen

        if not any(isinstance(screen, JobsScreen) for screen in self.screen_stack):
            self.push_screen(JobsScreen())
        while not isinstance(self.screen, JobsScreen):
            self.pop_screen()

    def action_artifacts(self) -> None:
        """What jobs have made."""
        from .screens.artifacts import ArtifactsScreen

        if not any(isinstance(screen, ArtifactsScreen) for screen in self.screen_stack):
            self.push_screen(ArtifactsScreen())
        while not isinstance(self.screen, ArtifactsScreen):
            self.pop_screen()

    def action_fleet(self) -> None:
        """Back to the first screen."""
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def action_launch(self) -> None:
        """Start an example or a script."""
        from .screens.launch import LaunchScreen

        if self.may_change():
            self.push_screen(LaunchScreen())

    def action_theme(self) -> None:
        """The next theme."""
        names = themes.NAMES
        self.set_theme(names[(names.index(self.theme) + 1) % len(names)])

    def set_theme(self, name: str) -> None:
        """Change the theme, and keep it."""
        self.theme = name
        self.settings.theme = name
        self.settings.save()
        self.call_after_refresh(self._repaint)
        self.notify(f"theme: {name}", timeout=2)

    def action_clock(self) -> None:
        """UTC or local time."""
        self.settings.utc = not self.settings.utc
        self.settings.save()
        self._repaint()

    def action_faster(self) -> None:
        """More samples a second."""
        self._pace(-1)

    def action_slower(self) -> None:
        """Fewer samples a second."""
        self._pace(1)

    async def action_interrupt(self) -> None:
        """Ctrl+C: give up the line or the dialogue that is open; where none is, leave."""
        prompts = self.screen.query(Prompt)
        if prompts:
            prompts.first().post_message(Prompt.Left(prompts.first()))
        elif self.screen.is_modal:
            self.pop_screen()
        else:
            await self.action_quit()

    async def action_quit(self) -> None:
        """Leave; jobs and the agent go on."""
        self.save_picture()
        self.exit(0)

    def _leave(self, number: int) -> None:
        # A terminal that is gone takes no bytes, and giving it back would wait for ever.
        last_resort = threading.Timer(LEAVING_SECONDS, os._exit, (128 + number,))
        last_resort.daemon = True
        last_resort.start()
        self.save_picture()
        self.exit(128 + number, return_code=128 + number)

    def _pace(self, step: int) -> None:
        known = min(range(len(INTERVALS)), key=lambda at: abs(INTERVALS[at] - self.feed.interval))
        chosen = INTERVALS[min(max(known + step, 0), len(INTERVALS) - 1)]
        self.settings.interval = chosen
        self.settings.save()
        self.feed.set_interval(chosen)
        self.notify(f"a sample every {chosen:g} s", timeout=2)

    def _pass_on(self, message: MetricsArrived | LogArrived) -> None:
        if self.screen_stack:  # none while the app leaves
            self.screen.post_message(message)

    def _repaint(self) -> None:
        if isinstance(self.screen, LiveScreen):
            self.screen.refresh(layout=True)
            self.screen.repaint()

    def _tick(self) -> None:
        """The clock goes on, and a silent agent's age grows, also where no update paints them."""
        quiet = time.monotonic() - self._updated > TICK_SECONDS
        if quiet and isinstance(self.screen, LiveScreen):
            self.screen.repaint_heading()


def run(address: "Address", own: "Locations | None", *, readonly: bool = False) -> int:
    """Show the console until it is left; the exit status."""
    app = ConsoleApp(address, own, readonly=readonly)
    return app.run() or 0
