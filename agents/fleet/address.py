"""Where an agent is reached: what --connect takes."""

import ipaddress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

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
    if scheme == "http" and _is_loopback(text):
        return Address(None, text.rstrip("/"), text)
    if scheme in ("https", "ssh"):
        raise UsageError(f"--connect {text}: {scheme} addresses come with fleets; use unix:PATH")
    raise UsageError(f"--connect {text}: expected unix:PATH or http://127.0.0.1:PORT")


def _is_loopback(url: str) -> bool:
    """Nothing is asked in the clear over a network."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        plain = parts.path in ("", "/") and not (parts.query or parts.fragment or parts.username)
        return (
            plain
            and port is not None
            and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
        )
    except ValueError:
        return False
