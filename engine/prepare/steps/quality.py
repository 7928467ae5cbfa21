"""Drops what is not prose, by the rules that Gopher's training text was chosen by.

J. Rae et al., "Scaling Language Models: Methods, Analysis & Insights from Training Gopher", 2021,
appendix A.1.1 ("Quality filtering" and, in `repetition`, "Repetition removal").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .outcome import Outcome
from .repetition import repeated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..spec import Quality

BULLETS: Final = ("•", "‣", "⁃", "●", "◦", "▪", "*", "-", "–", "—")  # noqa: RUF001
ELLIPSES: Final = ("...", "…")


class QualityRules:
    """Drops texts, and changes none."""

    name = "quality"

    def __init__(self, bounds: Quality) -> None:
        self._bounds = bounds
        self._stop_words = {word.lower() for word in bounds.stop_words}

    def __call__(self, texts: Sequence[str]) -> list[Outcome]:
        """What becomes of each text."""
        return [
            Outcome(text) if (why := self.fault(text)) is None else Outcome(None, why)
            for text in texts
        ]

    def fault(self, text: str) -> str | None:
        """The first rule that a text breaks; None if it keeps all."""
        words = text.split()
        return (
            self._fault_of_words(words)
            or self._fault_of_symbols(text, len(words))
            or self._fault_of_lines(text)
            or (repeated(text, words) if self._bounds.repetition else None)
        )

    def _fault_of_words(self, words: list[str]) -> str | None:
        bounds, count = self._bounds, len(words)
        if count < bounds.fewest_words:
            return "too few words"
        if count > bounds.most_words:
            return "too many words"
        if not words:
            return None
        mean = sum(map(len, words)) / count
        if not bounds.shortest_mean <= mean <= bounds.longest_mean:
            return "words too short" if mean < bounds.shortest_mean else "words too long"
        lettered = sum(word.isalpha() or any(map(str.isalpha, word)) for word in words)
        if lettered < bounds.fewest_alphabetic * count:
            return "too few words with letters"
        if self._stop_words:
            known = self._stop_words.intersection(word.lower() for word in words)
            if len(known) < bounds.fewest_stop_words:
                return "too few stop words"
        return None

    def _fault_of_symbols(self, text: str, words: int) -> str | None:
        most = self._bounds.most_symbols * words
        if text.count("#") > most:
            return "too many hash signs"
        if sum(map(text.count, ELLIPSES)) > most:
            return "too many ellipses"
        return None

    def _fault_of_lines(self, text: str) -> str | None:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if sum(line.startswith(BULLETS) for line in lines) > self._bounds.most_bullets * len(lines):
            return "too many lines with bullets"
        if sum(line.endswith(ELLIPSES) for line in lines) > self._bounds.most_ellipses * len(lines):
            return "too many lines that break off"
        return None
