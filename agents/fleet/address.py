"""Where an agent is reached: what --connect takes."""

from pathlib import Path
from typing import NamedTuple

from ..errors import UsageError


class Address(NamedTuple):
    """One agent's address."""

    socket: Path | None
    """Of a Unix socket; None for TCP."""

    base: str
    """What the path of a request is appended to."""

    text: str
    """As a person writes it."""


def unix(socket: Path) -> Address:
    """The address of a Unix socket."""
    return Address(socket, "http://agent", f"unix:{socket}")


def parse(text: str) -> Address:
    """An address from what a person wrote. Raises UsageError."""
    scheme, _, rest = text.partition(":")
    if scheme == "unix" and rest:
        return unix(Path(rest.removeprefix("//")).expanduser().absolute())
    if scheme == "http" and rest.startswith("//"):
        return Address(None, text.rstrip("/"), text)
    if scheme in ("https", "ssh"):
        raise UsageError(f"--connect {text}: {scheme} addresses come with fleets; use unix:PATH")
    raise UsageError(f"--connect {text}: expected unix:PATH or http://127.0.0.1:PORT")
