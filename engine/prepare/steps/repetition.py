"""Whether a text repeats itself (Rae et al. 2021, appendix A.1.1, table A1)."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

MOST_REPEATED: Final = 0.30
"""Share of lines, and of paragraphs, that stood there before."""

MOST_REPEATED_CHARACTERS: Final = 0.20
"""Share of the text's characters that they are."""

MOST_OF_ONE: Final = {2: 0.20, 3: 0.18, 4: 0.16}
"""Share of the characters in the most frequent run of so many words."""

MOST_IN_RUNS: Final = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}
"""Share of the characters in runs of so many words that stand in the text more than once."""


def repeated(text: str, words: Sequence[str]) -> str | None:
    """What of a text is repeated too often; None if nothing is.

    Args:
        text: the whole.
        words: its words, as `str.split` gives them.
    """
    if _too_often([line.strip() for line in text.split("\n") if line.strip()]):
        return "repeated lines"
    if _too_often([part.strip() for part in text.split("\n\n") if part.strip()]):
        return "repeated paragraphs"
    letters = sum(map(len, words))
    # A longer run that is repeated holds shorter ones: where none is, none follows.
    for length, most in MOST_OF_ONE.items():
        share = _share_of_one(words, length)
        if not share:
            return None
        if share > most * letters:
            return f"one run of {length} words too often"
    for length, most in MOST_IN_RUNS.items():
        shared = _in_runs(words, length)
        if not shared:
            break
        if shared > most * letters:
            return f"runs of {length} words too often"
    return None


def _too_often(parts: Sequence[str]) -> bool:
    again = [part for part, count in Counter(parts).items() for _ in range(count - 1)]
    return len(again) > MOST_REPEATED * len(parts) or sum(
        map(len, again)
    ) > MOST_REPEATED_CHARACTERS * sum(map(len, parts))


def _share_of_one(words: Sequence[str], length: int) -> int:
    """Characters in the most frequent run, if it stands there more than once."""
    runs = Counter(zip(*(words[at:] for at in range(length)), strict=False))
    if not runs:
        return 0
    run, count = runs.most_common(1)[0]
    return count * sum(map(len, run)) if count > 1 else 0


def _in_runs(words: Sequence[str], length: int) -> int:
    """Characters of words that stand in a run which the text has twice, each word counted once."""
    seen: set[tuple[str, ...]] = set()
    shared, free = 0, 0
    for at, run in enumerate(zip(*(words[first:] for first in range(length)), strict=False)):
        if run in seen:
            shared += sum(map(len, words[max(at, free) : at + length]))
            free = at + length
        else:
            seen.add(run)
    return shared
