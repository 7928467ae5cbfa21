"""What every screen looks at: the store, the link and the settings, as one immutable handle."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from ..agents.fleet.store import Store
from .feed import Feed
from .link import Link
from .settings import Settings
from .tables.gpus import short_model

Clock = Callable[[], float]
"""Seconds since 1970."""


@dataclass(frozen=True)
class View:
    """The present, for who paints it."""

    feed: Feed
    settings: Settings
    clock: Clock = time.time

    @property
    def store(self) -> Store:
        """What is known of the fleet."""
        return self.feed.store

    @property
    def link(self) -> Link:
        """How the connection is."""
        return self.feed.link

    @property
    def interval(self) -> float:
        """Seconds between samples."""
        return self.feed.interval

    @property
    def age(self) -> float | None:
        """Seconds since the agent last said anything; of the last picture, since it was true."""
        if self.link.state == "live":
            return self.store.age
        sampled = self.store.sampled
        return None if sampled is None else max(self.clock() - sampled, 0.0)

    def describe(self) -> list[str]:
        """The fleet in a few words, the most important first."""
        nodes = list(self.store.facts.values())
        if not nodes:
            return []
        said = [nodes[0].hostname if len(nodes) == 1 else f"{len(nodes)} nodes"]
        models: dict[str, int] = {}
        for node in nodes:
            for gpu in node.gpus:
                if gpu.parent is None:
                    name = short_model(gpu.name) or "GPU"
                    models[name] = models.get(name, 0) + 1
        said += [f"{count} × {name}" for name, count in models.items()] or [_no_gpu(nodes[0])]
        if nodes[0].driver:
            said.append(f"driver {nodes[0].driver}")
        if nodes[0].cuda:
            said.append(f"CUDA {nodes[0].cuda}")
        return said


def _no_gpu(node: object) -> str:
    others = getattr(node, "other_gpus", [])
    return f"{others[0]} (not supported yet)" if others else "no NVIDIA GPU"
