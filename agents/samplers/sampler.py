"""What a sampler is: something that knows a part of this node, and says it in one method each.

A sampler never blocks its caller. What may be slow or hang (a driver call) happens on threads of
the sampler's own, and `sample` tells the newest they found, or that it is late.
"""

from dataclasses import dataclass, field
from typing import Protocol

from ..protocol.facts import Collector, Detail, NodeFacts
from ..protocol.fields import Value


@dataclass(slots=True)
class Reading:
    """One round of figures, by field name. A missing key is absent on the wire."""

    node: dict[str, Value] = field(default_factory=dict)
    gpus: list[dict[str, Value]] = field(default_factory=list)


class Sampler(Protocol):
    """A part of the node that can be measured."""

    name: str

    def sample(self, reading: Reading) -> None:
        """Add the newest figures."""

    def facts(self, facts: NodeFacts) -> None:
        """Add what changes rarely."""

    def detail(self, detail: Detail) -> None:
        """Add what only someone who looks at this node wants; asked for only then."""

    def collectors(self) -> list[Collector]:
        """How it does: one entry for each thing it measures apart."""

    def close(self) -> None:
        """Stop its threads; returns at once, also while a driver call hangs."""
