"""The console without an agent: the real app, fed with frames, at a fixed moment."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual import constants

from llmos.agents.fleet.address import unix
from llmos.console.app import ConsoleApp
from llmos.console.link import Link
from llmos.console.settings import Settings
from llmos.console.widgets.glyphs import glyphs
from llmos.tests.console.fleets import NOW, Fleet

MakeApp = Callable[..., ConsoleApp]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same characters and colours wherever the tests run."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("LLMOS_ASCII", "0")
    monkeypatch.setattr(constants, "COLOR_SYSTEM", "truecolor")
    glyphs.cache_clear()
    yield
    glyphs.cache_clear()


@pytest.fixture
def make_app(terminal: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeApp:
    """Makes the app over a fleet as at `NOW`: no agent, and no settings of a person."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("LLMOS_SCRIPTS_RUN", raising=False)

    def make(
        fleet: Fleet | None = None, theme: str = "dark", *, readonly: bool = False
    ) -> ConsoleApp:
        settings = Settings(theme=theme, utc=True)
        app = ConsoleApp(
            unix(tmp_path / "socket"),
            settings=settings,
            readonly=readonly,
            autostart=False,
            clock=lambda: NOW,
        )
        for frame in (fleet or Fleet()).frames():
            app.feed.store.apply(frame)
        app.feed.link = Link("live")
        return app

    return make
