"""Paragraphs of real e-mails, near duplicates of some of them, and what is true of both."""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WORDS: Final = 5
"""Of a shingle, and the fewest that a paragraph has."""

FEWEST: Final = 20
"""Words of a paragraph that is injected again."""

STRENGTHS: Final = (0.005, 0.01, 0.02, 0.04)
"""Share of the words that are edited in a copy, at least one of them."""


class Injected(NamedTuple):
    """A near duplicate that was put in."""

    original: int
    copy: int
    """Numbers of documents; the original comes first."""

    strength: float
    similarity: float
    """True Jaccard similarity of their shingles."""


class Corpus(NamedTuple):
    """What the programs are given, and what they should find."""

    texts: list[str]
    injected: list[Injected]

    def write(self, path: Path) -> None:
        """As JSONL with `id` and `text`."""
        with path.open("w", encoding="utf-8") as file:
            for number, text in enumerate(self.texts):
                file.write(json.dumps({"id": str(number), "text": text}) + "\n")


def paragraphs(folder: Path) -> list[str]:
    """The paragraphs of all e-mails below a folder, without heads and without the shortest."""
    found = []
    for path in sorted(folder.rglob("*.txt")):
        text = path.read_text(encoding="latin-1").replace("\r\n", "\n")
        body = text.partition("\n\n")[2]
        found += [part.strip() for part in re.split(r"\n\s*\n", body)]
    return [part for part in found if len(words(part)) >= WORDS]


def made(found: Sequence[str], count: int, copies: int, seed: int) -> Corpus:
    """`count` of the paragraphs, with `copies` edited ones somewhere after their originals."""
    chance = random.Random(seed)
    chosen = [found[at] for at in sorted(chance.sample(range(len(found)), count))]
    vocabulary = sorted({word for text in chosen for word in words(text)})
    long = [at for at, text in enumerate(chosen) if len(words(text)) >= FEWEST]
    inserted = []
    for number, at in enumerate(sorted(chance.sample(long, copies))):
        strength = STRENGTHS[number % len(STRENGTHS)]
        copy = edited(chosen[at], strength, vocabulary, chance)
        inserted.append((chance.randint(at + 1, count), at, copy, strength))
    return _merged(chosen, inserted)


def edited(text: str, strength: float, vocabulary: Sequence[str], chance: random.Random) -> str:
    """The text with that share of its words replaced, dropped, doubled or preceded by another."""
    pieces = re.split(r"(\s+)", text)
    spots = [at for at, piece in enumerate(pieces) if re.search(r"\w", piece)]
    for at in chance.sample(spots, max(1, round(strength * len(spots)))):
        other = chance.choice(vocabulary)
        pieces[at] = chance.choice(
            (other, "", f"{pieces[at]} {pieces[at]}", f"{other} {pieces[at]}")
        )
    return "".join(pieces)


def words(text: str) -> list[str]:
    """As both truth and peers count them."""
    return re.findall(r"\w+", text.lower())


def shingles(text: str) -> set[str]:
    """Runs of words."""
    said = words(text)
    return {" ".join(said[at : at + WORDS]) for at in range(max(len(said) - WORDS + 1, 1))}


def jaccard(one: set[str], other: set[str]) -> float:
    """The size of their intersection by that of their union."""
    return len(one & other) / len(one | other)


def nearest(texts: Sequence[str], numbers: Sequence[int]) -> list[float]:
    """For some documents: the true similarity to the one of all others that is most like it."""
    wanted = {number: shingles(texts[number]) for number in numbers}
    owners: dict[str, list[int]] = defaultdict(list)
    for number, own in wanted.items():
        for shingle in own:
            owners[shingle].append(number)
    best = dict.fromkeys(numbers, 0.0)
    for number, text in enumerate(texts):
        theirs = shingles(text)
        shared = Counter(owner for shingle in theirs for owner in owners.get(shingle, ()))
        for owner, common in shared.items():
            if owner != number:
                similarity = common / (len(wanted[owner]) + len(theirs) - common)
                best[owner] = max(best[owner], similarity)
    return list(best.values())


def _merged(chosen: Sequence[str], inserted: Sequence[tuple[int, int, str, float]]) -> Corpus:
    """Paragraphs and copies in one list, each copy just before the place that was drawn for it."""
    before = defaultdict(list)
    for place, original, copy, strength in inserted:
        before[place].append((original, copy, strength))
    texts: list[str] = []
    where: list[int] = []
    injected: list[Injected] = []
    for at in range(len(chosen) + 1):
        for original, copy, strength in before[at]:
            similarity = jaccard(shingles(chosen[original]), shingles(copy))
            injected.append(Injected(where[original], len(texts), strength, similarity))
            texts.append(copy)
        if at < len(chosen):
            where.append(len(texts))
            texts.append(chosen[at])
    return Corpus(texts, injected)
