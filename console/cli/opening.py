"""Opens the console: first the agent, then the screen, so that both start side by side."""

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ...agents import locations as places
from ...agents import start
from .. import lastscreen

if TYPE_CHECKING:
    from ...agents.fleet.address import Address


def open_console(
    state: Path | None = None, address: "Address | None" = None, *, readonly: bool = False
) -> int:
    """Show the console over the agent at `address`, or over our own, until it is left.

    Returns the exit status. Raises StateFolderError where our own agent could keep no state.
    """
    own = None
    if address is None:
        own = places.find(state)
        if not start.answers(own):
            start.spawn(own)
        from ...agents.fleet.address import unix

        address = unix(own.socket)
    painted = own is not None and lastscreen.show(own.last_screen, sys.stdout.fileno())
    gc.disable()  # half a million objects are made now that stay; the console switches it on again
    try:
        from ..app import run
    except BaseException:
        if painted:
            lastscreen.leave(sys.stdout.fileno())
        raise
    return run(address, own, readonly=readonly)
