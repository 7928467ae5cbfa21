"""All the samplers of a node together: what they tell is one reading, one record of facts.

One that raises has failed and says so; the others go on.
"""

import socket
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Final, Protocol, runtime_checkable

from ..protocol.facts import Collector, Detail, NodeFacts
from .sampler import Reading, Sampler

DEFAULT_INTERVAL: Final = 1.0


@runtime_checkable
class Paced(Protocol):
    """A sampler that works by itself, between the calls of its methods."""

    interval: float


class Collection:
    """The samplers of one node."""

    def __init__(self, samplers: Sequence[Sampler], interval: float = DEFAULT_INTERVAL) -> None:
        self._samplers = samplers
        self._seconds: dict[str, float] = {}
        self._failures: dict[tuple[str, str], str] = {}
        self._interval = 0.0
        self.interval = interval

    @property
    def interval(self) -> float:
        """Seconds between samples; samplers with threads of their own keep to it."""
        return self._interval

    @interval.setter
    def interval(self, seconds: float) -> None:
        if seconds == self._interval:
            return
        self._interval = seconds
        for sampler in self._samplers:
            if isinstance(sampler, Paced):
                sampler.interval = seconds

    def sample(self) -> Reading:
        """The newest figures of all."""
        reading = Reading()
        for sampler in self._samplers:
            began = perf_counter()
            self._guard(sampler, "sample", partial(sampler.sample, reading))
            self._seconds[sampler.name] = perf_counter() - began
        return reading

    def facts(self, slot: int, node: str) -> NodeFacts:
        """What the node is, and how each sampler does."""
        facts = NodeFacts(slot=slot, node=node, hostname=socket.gethostname())
        for sampler in self._samplers:
            self._guard(sampler, "facts", partial(sampler.facts, facts))
        facts.collectors = self.collectors()
        return facts

    def detail(self, slot: int) -> Detail:
        """The node closely."""
        detail = Detail(slot=slot)
        for sampler in self._samplers:
            self._guard(sampler, "detail", partial(sampler.detail, detail))
        return detail

    def collectors(self) -> list[Collector]:
        """How each sampler does."""
        return [collector for sampler in self._samplers for collector in self._of(sampler)]

    def close(self) -> None:
        """Stop them all; returns at once."""
        for sampler in self._samplers:
            self._guard(sampler, "close", sampler.close)

    def _of(self, sampler: Sampler) -> list[Collector]:
        own: list[Collector] = []
        self._guard(sampler, "collectors", lambda: own.extend(sampler.collectors()))
        failures = [text for (name, _), text in self._failures.items() if name == sampler.name]
        if failures:
            own = [each for each in own if each.name != sampler.name]
            own.insert(0, Collector(name=sampler.name, state="failed", message=failures[0]))
        for collector in own:
            if collector.name == sampler.name:
                collector.seconds = self._seconds.get(sampler.name)
        return own

    def _guard(self, sampler: Sampler, what: str, call: Callable[[], None]) -> None:
        """Whatever a sampler raises is its own failure, until the same call succeeds again."""
        try:
            call()
        except Exception as error:
            self._failures[sampler.name, what] = f"{what}: {type(error).__name__}: {error}"
        else:
            self._failures.pop((sampler.name, what), None)
