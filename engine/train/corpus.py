"""The text as the ranks take it: two streams of tokens, and the tokenizer that made them.

One rank prepares it in a folder of the attempt, and the others read it there. Free of torch.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from ...agents.errors import SpecError
from .spec import Train
from .split import split
from .text import WHERE, read_documents, resolved_source
from .tokenizer import Tokens, encode, train_tokenizer


class Corpus(msgspec.Struct, frozen=True):
    """What there is to learn from, and to be judged by."""

    tokenizer: Tokenizer
    training: Tokens
    """Token ids of all training documents, an end mark around each."""

    held_out: Tokens
    """Likewise of those that training never sees."""

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return int(self.tokenizer.get_vocab_size())


def prepare(train: Train) -> Corpus:
    """Reads the text, keeps some of it apart, trains the tokenizer on the rest, and applies it.

    Raises:
        SpecError: the text cannot be read, or is too short for the batch or to hold any out.
    """
    documents = read_documents(resolved_source(train.data.source, Path.cwd()))
    parts = split(documents, train.data.held_out, train.data.seed)
    tokenizer = train_tokenizer(parts.training, train.tokenizer.vocabulary)
    corpus = Corpus(tokenizer, encode(tokenizer, parts.training), encode(tokenizer, parts.held_out))
    _check_length(corpus, train)
    return corpus


def save(corpus: Corpus, folder: Path) -> None:
    """Writes it where `load` finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    corpus.tokenizer.save(str(folder / "tokenizer.json"))
    np.save(folder / "training.npy", corpus.training)
    np.save(folder / "held-out.npy", corpus.held_out)


def load(folder: Path) -> Corpus:
    """What another rank saved."""
    return Corpus(
        Tokenizer.from_file(str(folder / "tokenizer.json")),
        np.load(folder / "training.npy"),
        np.load(folder / "held-out.npy"),
    )


def batches(
    tokens: Tokens, context: int, batch: int, seed: int, rank: int, ranks: int
) -> Iterator[NDArray[np.int64]]:
    """This rank's share of every batch, without end: int64 [batch / ranks, context + 1].

    Each pass over the text is cut into windows from another offset, in another order. Neighbouring
    windows share one token: the last that one predicts is the first that the next one sees.
    """
    random = np.random.default_rng(seed)
    while True:
        offset = random.integers(min(context, len(tokens) - batch * context))
        starts = np.arange(offset, len(tokens) - context, context)
        random.shuffle(starts)
        for first in range(0, len(starts) - batch + 1, batch):
            own = starts[first + rank : first + batch : ranks]
            yield tokens[own[:, None] + np.arange(context + 1)].astype(np.int64)


def _check_length(corpus: Corpus, train: Train) -> None:
    context, batch = train.model.context, train.batch
    if len(corpus.training) <= batch * context or len(corpus.held_out) < 3:
        raise SpecError(
            f"{WHERE}: too short: {len(corpus.training)} tokens of training text in "
            f"{_named(train.data.source)}, and one batch takes {batch} × {context} and one more"
        )


def _named(source: str | list[str]) -> str:
    return source if isinstance(source, str) else ", ".join(source)
