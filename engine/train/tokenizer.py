"""A byte-level BPE tokenizer, trained on the spot: any text goes in and comes out the same.

The method is GPT-2's: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners",
section 2.2.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END: Final = "<|endoftext|>"
"""Stands before the first document and after each."""

Tokens = NDArray[np.uint32]


def train_tokenizer(texts: Sequence[str], vocabulary: int) -> Tokenizer:
    """A tokenizer of at most `vocabulary` tokens, the end mark and all 256 bytes among them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer, length=len(texts))
    return tokenizer


def end_token(tokenizer: Tokenizer) -> int:
    """The number of the end mark."""
    end = tokenizer.token_to_id(END)
    assert end is not None  # noqa: S101 - `train_tokenizer` put it in
    return end


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> Tokens:
    """The texts as one stream of tokens, an end mark before, between and after them."""
    end = end_token(tokenizer)
    # An end mark that somebody wrote into a text is text.
    tokenizer.encode_special_tokens = True
    stream = [end]
    for encoding in tokenizer.encode_batch(list(texts)):
        stream += encoding.ids
        stream.append(end)
    tokenizer.encode_special_tokens = False
    return np.array(stream, dtype=np.uint32)
