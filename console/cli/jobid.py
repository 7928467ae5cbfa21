"""The argument that names a job. A shell completes it from the agent that runs, if one does."""

import http.client
import json
import socket
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from ...agents.errors import LlmosError
from .invocation import Invocation

PATIENCE: Final = 0.5
"""Seconds that a shell waits for the agent when it completes."""


def complete(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Ids of jobs, each with its name and state. Nothing where no agent answers."""
    invocation = context.find_object(Invocation)
    try:
        jobs = asked(invocation, "/v1/jobs") if invocation is not None else []
    except (LlmosError, OSError, ValueError, http.client.HTTPException):
        return []
    return [
        CompletionItem(job["id"], help=f"{job['name']}, {job['state']}")
        for job in jobs
        if job["id"].startswith(incomplete)
    ]


job_argument = click.argument("job", metavar="JOB", shell_complete=complete)


class _Unix(http.client.HTTPConnection):
    """To a Unix socket. A shell shall not wait for a larger client to be imported."""

    def __init__(self, path: str) -> None:
        super().__init__("agent", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        """Called by the first request."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)


def asked(invocation: Invocation, path: str) -> list[dict[str, Any]]:
    """The list that an agent answers with.

    Raises LlmosError, OSError, ValueError or HTTPException where it does not.
    """
    address = invocation.address
    if address.socket is not None:
        connection: http.client.HTTPConnection = _Unix(str(address.socket))
    else:
        connection = http.client.HTTPConnection(address.base.partition("//")[2], timeout=PATIENCE)
    connection.request("GET", path)
    found: list[dict[str, Any]] = json.loads(connection.getresponse().read())
    connection.close()
    return found
