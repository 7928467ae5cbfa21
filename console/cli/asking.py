"""Asks the agent on a command's behalf: our own is started if none answers."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from ...agents import start
from .invocation import Invocation

if TYPE_CHECKING:
    from ...agents.fleet.client import Client

T = TypeVar("T")


def ask(invocation: Invocation, question: Callable[["Client"], Awaitable[T]]) -> T:
    """What the agent answers. Raises AgentError with one line.

    The agent starts while the client is imported: each takes about as long as the other.
    """
    own = invocation.own
    address = invocation.address
    process = None if own is None or start.answers(own) else start.spawn(own)
    import asyncio

    from ...agents.fleet.client import Client

    if own is not None and process is not None:
        start.wait(own, process)

    async def asked() -> T:
        async with Client(address) as client:
            await client.hello()
            return await question(client)

    return asyncio.run(asked())
