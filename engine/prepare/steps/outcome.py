"""What a step that looks at one text at a time makes of it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec


class Outcome(msgspec.Struct):
    """Of one text."""

    text: str | None
    """As it goes on; None if it does not."""

    why: str = ""
    """Why it was dropped, in the same words for all that the same rule dropped."""

    counts: Mapping[str, int] = {}
    """What was found in it, to be added up."""


class TextStep(Protocol):
    """A step that needs no other rows. Each rank has its own."""

    name: str

    def __call__(self, texts: Sequence[str]) -> list[Outcome]:
        """What becomes of each text, in their order."""
