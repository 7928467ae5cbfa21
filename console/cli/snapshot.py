"""One picture of everything: what `llmos top --once` shows.

    {"schema": 1, "time": seconds since 1970, "nodes": [...], "jobs": [...]}

A node is as `agents.protocol.snapshot` has it and as `GET /v1/nodes` answers it, a job is a
`agents.protocol.jobs.JobSummary`. What is not known or not supported is null, never 0.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from ...agents.protocol.fields import GPU_FIELDS
from ...agents.protocol.frames import Kind

if TYPE_CHECKING:
    from ...agents.fleet.client import Client

PATIENCE: Final = 3.0
"""Seconds that an agent just started has to measure everything once."""

EAGER: Final = 0.2
"""Seconds between samples while we wait: rates are known from the second on."""

ALL_FIGURES: Final = frozenset(field.name for field in GPU_FIELDS[3:])
WITHOUT_FIGURES: Final = frozenset({"lost", "hung", "failed"})


async def gather(client: "Client", wanted: Iterable[str] = ALL_FIGURES) -> dict[str, Any]:
    """The picture, as soon as it holds the `wanted` figures of every GPU that can give them."""
    wanted = frozenset(wanted)
    nodes = await client.nodes()
    if not complete(nodes, wanted):
        try:
            async with asyncio.timeout(PATIENCE):
                async for frames in client.stream(EAGER):
                    if any(frame.kind == Kind.SAMPLE for frame in frames):
                        nodes = await client.nodes()
                    if complete(nodes, wanted):
                        break
        except TimeoutError:
            pass
    return {"time": time.time(), "nodes": nodes, "jobs": await client.jobs()}


def complete(nodes: list[dict[str, Any]], wanted: frozenset[str]) -> bool:
    """Whether all that will be known of these nodes at once is known."""
    return all(
        node["cpu"] is not None
        and not opening(node)
        and all(_settled(gpu, wanted) for gpu in node["gpus"])
        for node in nodes
    )


def opening(node: dict[str, Any]) -> bool:
    """Whether the driver is still being opened: it is well and has named neither GPU nor events."""
    collectors = {each["name"]: each["state"] for each in node["collectors"]}
    return collectors.get("nvml") == "ok" and "events" not in collectors and not node["gpus"]


def _settled(gpu: dict[str, Any], wanted: frozenset[str]) -> bool:
    if gpu["state"] in WITHOUT_FIGURES:
        return True
    missing = {name for name in wanted if gpu[name] is None}
    return gpu["state"] is not None and missing <= unsupported(gpu)


def unsupported(gpu: dict[str, Any]) -> frozenset[str]:
    """Figures that a GPU never gives. A MIG instance has no sensors of its own."""
    if gpu["parent"] is not None:
        return ALL_FIGURES - {"memory_used"}
    return frozenset(gpu["unsupported"])
