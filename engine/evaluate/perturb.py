"""Texts as they come in life: misspelt, shouted, damaged, cut short. The same for the same seed."""

from collections.abc import Callable
from typing import Final

import numpy as np

SHARE: Final = 0.05
"""Of the letters, or characters, that are changed."""

WRONG: Final = "#@%*~^|\u00bf\u00b6\ufffd"
"""What damaged characters become."""


def perturbed(texts: list[str], how: str, seed: int) -> list[str]:
    """Each text changed, by a random sequence of its own place."""
    change = ALL[how]
    return [change(text, np.random.default_rng([seed, at])) for at, text in enumerate(texts)]


def typos(text: str, random: np.random.Generator) -> str:
    """One letter in twenty is lost, doubled, or swapped with the next."""
    letters = list(text)
    for at in range(len(letters)):
        if not letters[at].isalpha() or random.random() >= SHARE:
            continue
        kind = random.integers(3)
        if kind == 0:
            letters[at] = ""
        elif kind == 1:
            letters[at] *= 2
        elif at + 1 < len(letters):
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
    return "".join(letters)


def case(text: str, _random: np.random.Generator) -> str:
    """All letters are large."""
    return text.upper()


def corruption(text: str, random: np.random.Generator) -> str:
    """One character in twenty is a wrong one."""
    hit = random.random(len(text)) < SHARE
    put = random.integers(0, len(WRONG), len(text))
    return "".join(
        WRONG[place] if one else letter
        for letter, one, place in zip(text, hit.tolist(), put.tolist(), strict=True)
    )


def length(text: str, _random: np.random.Generator) -> str:
    """The first half of the words alone."""
    words = text.split()
    return " ".join(words[: max((len(words) + 1) // 2, 1)])


ALL: Final[dict[str, Callable[[str, np.random.Generator], str]]] = {
    "typos": typos,
    "case": case,
    "corruption": corruption,
    "length": length,
}
