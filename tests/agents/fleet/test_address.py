"""What --connect takes."""

from pathlib import Path

import pytest

from llmos.agents.errors import UsageError
from llmos.agents.fleet.address import parse


@pytest.mark.parametrize("text", ["unix:/run/a.sock", "unix:///run/a.sock"])
def test_a_unix_socket(text: str):
    assert parse(text).socket == Path("/run/a.sock")


def test_a_socket_named_from_here():
    assert parse("unix:a.sock").socket == Path.cwd() / "a.sock"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.8.8.8"])
def test_loopback(host: str):
    address = parse(f"http://{host}:9400/")
    assert (address.socket, address.base) == (None, f"http://{host}:9400")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unix:",
        "/run/a.sock",
        "http:",
        "http://",
        "http://127.0.0.1",
        "http://10.0.0.1:80",
        "http://[::1",
        "http://127.0.0.1:99999",
        "http://me@127.0.0.1:1",
        "http://example.org:80",
        "http://127.0.0.1:80/v1",
        "ftp://127.0.0.1:80",
    ],
)
def test_what_is_no_address_is_told_what_is(text: str):
    with pytest.raises(UsageError, match=r"expected unix:PATH or http://127\.0\.0\.1:PORT"):
        parse(text)


@pytest.mark.parametrize("text", ["https://host", "ssh://me@host"])
def test_what_comes_later_says_so(text: str):
    with pytest.raises(UsageError, match="come with fleets"):
        parse(text)
