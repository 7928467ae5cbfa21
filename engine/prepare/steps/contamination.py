"""Drops texts that share a run of words with what a model will be judged on.

The window of 13 words is that of T. Brown et al., "Language Models are Few-Shot Learners", 2020,
appendix C. An evaluation text shorter than that counts only where a whole row is the same words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....agents.errors import SpecError
from ...data.shingles import shingles
from ..paths import found_files
from ..plan import piece_of
from ..rows import Record
from ..sources.formats import columns_of, records
from ..spec import Source, check_columns
from .outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...data.shingles import Hashes
    from ..spec import Contamination

WHERE = "$.prepare.contamination"
BLOCK = 1000
"""Evaluation texts whose words are held at once."""


class Contaminated:
    """Drops texts, and changes none. Holds eight bytes for each run of words that is judged on."""

    name = "contamination"

    def __init__(self, asked: Contamination) -> None:
        self._words = asked.words
        parts = [shingles(texts, asked.words)[0] for texts in _blocks(_texts(asked))]
        if not parts:
            raise SpecError(f"{WHERE}.against: holds no text to be kept apart")
        self._judged: Hashes = np.unique(np.concatenate(parts))

    def __call__(self, texts: Sequence[str]) -> list[Outcome]:
        """What becomes of each text."""
        found, counts = shingles(texts, self._words)
        at = np.minimum(np.searchsorted(self._judged, found), len(self._judged) - 1)
        # One more than there are, so that a text without a run at the end has its place, too.
        hits = np.concatenate([[0], np.cumsum(self._judged[at] == found)])
        ends = np.cumsum(counts)
        shared = hits[ends] > hits[ends - counts]
        return [
            Outcome(None, "shares words with the evaluation") if same else Outcome(text)
            for text, same in zip(texts, shared.tolist(), strict=True)
        ]


def _texts(asked: Contamination) -> Iterator[str]:
    source = Source(name="evaluation", path=asked.against, columns={"text": asked.column})
    for file in found_files(source, WHERE):
        known = columns_of(file.path, file.format, source)
        if known is not None:
            check_columns(source, known, WHERE, file.path)
        for record in records(piece_of(file, source), source):
            text = record.values.get(asked.column) if isinstance(record, Record) else None
            if isinstance(text, str):
                yield text


def _blocks(texts: Iterator[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for text in texts:
        block.append(text)
        if len(block) == BLOCK:
            yield block
            block = []
    if block:
        yield block
