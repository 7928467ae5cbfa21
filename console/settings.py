"""What a person set in the console, kept between starts."""

import contextlib
from pathlib import Path
from typing import Annotated

import msgspec
import platformdirs


class Settings(msgspec.Struct):
    """Settings of the console. A file that cannot be read counts as none."""

    theme: str = "dark"
    """One of `themes.NAMES`."""

    utc: bool = False
    """Whether clocks show UTC rather than local time."""

    interval: Annotated[float, msgspec.Meta(ge=0.1, le=5)] = 1.0
    """Seconds between samples: 0.1 to 5."""

    @classmethod
    def load(cls) -> "Settings":
        """The settings as last saved, else the defaults."""
        try:
            return msgspec.json.decode(_path().read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError):
            return cls()

    def save(self) -> None:
        """Keep them; where that cannot be done they hold for this session only."""
        path = _path()
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".new")
            temporary.write_bytes(msgspec.json.format(msgspec.json.encode(self)))
            temporary.replace(path)


def _path() -> Path:
    return platformdirs.user_config_path("llmos") / "console.json"
