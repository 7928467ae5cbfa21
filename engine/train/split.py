"""Keeps text from the model: documents in two parts that have no wording in common.

Documents that share a run of 13 words (the window by which GPT-3's training set was cleaned of its
evaluation sets: Brown et al. 2020, "Language Models are Few-Shot Learners", appendix C) are one
group, and a group is never divided. Paragraphs too short to have such a run ("Example:") are left
out of the training part where the held-out part has them word for word.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import msgspec

from ...agents.errors import SpecError
from .text import Documents

WINDOW: Final = 13
"""Words."""

FEWEST: Final = 20
"""Documents. With fewer, they are cut into pieces first, so that there is something to divide."""

PIECE: Final = 4000
"""Characters of a piece, about: a page."""

BLANK: Final = re.compile(r"(?<=\n)(?=[ \t]*\n)")
"""Where a blank line begins: the parts, put together again, are the text."""


class Split(msgspec.Struct, frozen=True):
    """The two parts, each a list of documents."""

    training: list[str]
    held_out: list[str]


def split(documents: Documents, held_out: float, seed: int) -> Split:
    """Divides the documents, the same way whenever and wherever it is done.

    Args:
        documents: text by name.
        held_out: the share of the characters to keep from training, at most.
        seed: which.

    Raises:
        SpecError: there is too little text, or too much of it is the same, to keep any apart.
    """
    if len(documents) < FEWEST:
        documents = _pieces(documents)
    room = held_out * sum(map(len, documents.values()))
    kept: set[str] = set()
    order = {name: _order(text, seed) for name, text in documents.items()}
    for group in sorted(_groups(documents), key=lambda group: min(order[name] for name in group)):
        size = sum(len(documents[name]) for name in group)
        if size <= room:
            room -= size
            kept.update(group)
    if not kept:
        raise SpecError(
            "$.train.data: too little text, or too much of it repeated, "
            f"to hold out {held_out:.0%} that training does not see"
        )
    held = [text for name, text in documents.items() if name in kept]
    training = [text for name, text in documents.items() if name not in kept]
    return Split(_without_paragraphs(training, held), held)


def paragraphs(text: str) -> list[str]:
    """The parts between blank lines, without the white space around them."""
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]


def windows(text: str) -> Iterator[str]:
    """Every run of `WINDOW` words, whatever white space is between them."""
    words = text.split()
    for start in range(len(words) - WINDOW + 1):
        yield " ".join(words[start : start + WINDOW])


def _groups(documents: Documents) -> list[list[str]]:
    """The names of documents that share wording, directly or by way of others."""
    leader = {name: name for name in documents}

    def lead(name: str) -> str:
        while leader[name] != name:
            leader[name] = name = leader[leader[name]]
        return name

    first: dict[int, str] = {}
    for name, text in documents.items():
        for window in windows(text):
            leader[lead(name)] = lead(first.setdefault(hash(window), name))
    groups = defaultdict(list)
    for name in documents:
        groups[lead(name)].append(name)
    return list(groups.values())


def _order(text: str, seed: int) -> bytes:
    """By what a document says and not by its name, which may be a path on this machine."""
    return hashlib.blake2b(text.encode(), salt=seed.to_bytes(16, "little")).digest()


def _without_paragraphs(documents: list[str], others: list[str]) -> list[str]:
    """The documents without the paragraphs that the others have too."""
    theirs = {paragraph for text in others for paragraph in paragraphs(text)}
    left = (
        "".join(part for part in BLANK.split(text) if part.strip() not in theirs)
        for text in documents
    )
    return [text for text in left if text.strip()]


def _pieces(documents: Documents) -> Documents:
    """The documents in pieces of about a page, cut at blank lines, or where lines end without."""
    pieces: Documents = {}
    for name, text in documents.items():
        parts = BLANK.split(text)
        for number, piece in enumerate(_pages(parts if len(parts) > 1 else text.splitlines(True))):
            pieces[f"{name}#{number}"] = piece
    return pieces


def _pages(parts: list[str]) -> Iterator[str]:
    page = ""
    for part in parts:
        page += part
        if len(page) >= PIECE:
            yield page
            page = ""
    if page.strip():
        yield page
