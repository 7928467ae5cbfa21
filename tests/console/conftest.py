"""The console without an agent: the real app, fed with frames, at a fixed moment."""

import os

os.environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"  # textual reads it once, when it is imported
os.environ["TEXTUAL_ANIMATIONS"] = "none"

from collections.abc import Callable, Iterator  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402

from llmos.agents.fleet.address import unix  # noqa: E402
from llmos.console.app import ConsoleApp  # noqa: E402
from llmos.console.settings import Settings  # noqa: E402
from llmos.console.widgets.glyphs import glyphs  # noqa: E402
from llmos.tests.console.fleets import NOW, Fleet  # noqa: E402

MakeApp = Callable[..., ConsoleApp]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same characters and colours wherever the tests run."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("LLMOS_ASCII", "0")
    glyphs.cache_clear()
    yield
    glyphs.cache_clear()


@pytest.fixture
def make_app(terminal: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeApp:
    """Makes the app over a fleet as at `NOW`; nothing is connected, nothing of a person's is read."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("LLMOS_SCRIPTS_RUN", raising=False)

    def make(fleet: Fleet | None = None, theme: str = "dark", *, readonly: bool = False) -> ConsoleApp:
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
        app.feed.link = app.feed.link.__class__("live")
        return app

    return make
