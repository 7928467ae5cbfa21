"""How well a language model foresees texts, and how much of what it learned it knows by heart."""

import math
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from ...agents.errors import SpecError
from ...agents.protocol.artifacts import Parent
from ..train.evaluate import IGNORED, windows
from .classifier import KEPT, MOST_TOKENS
from .spec import Evaluate
from .verdict import Verdict, compare

PREFIX: Final = 32
CONTINUED: Final = 32
"""Tokens that are given, and those that must follow word for word (Carlini et al. 2023,
"Quantifying Memorization", with 50 of each; texts here are shorter)."""


class TextFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Of one model, over all texts."""

    name: str
    rows: int
    tokens: int
    bytes: int
    perplexity: float
    """Per token: only models with the same tokenizer can be compared by it."""

    bits_per_byte: float
    """Comparable between any two models."""


class Surprise(msgspec.Struct, frozen=True, kw_only=True):
    """What one model says of each text."""

    name: str
    nats: NDArray[np.float64]
    """The negative log-likelihood of each text, [rows]."""

    tokens: NDArray[np.float64]
    sizes: NDArray[np.float64]
    """Bytes, [rows]."""

    parent: Parent | None = None

    def figures(self) -> TextFigures:
        """Over all texts."""
        nats, tokens, size = self.nats.sum(), self.tokens.sum(), self.sizes.sum()
        return TextFigures(
            name=self.name,
            rows=len(self.nats),
            tokens=int(tokens),
            bytes=int(size),
            perplexity=math.exp(nats / tokens),
            bits_per_byte=float(nats / size / math.log(2)),
        )


def compare_texts(a: Surprise, b: Surprise, seed: int) -> Verdict:
    """By bits per byte, fewer being better: the figure is their negative."""
    size = a.sizes * math.log(2)

    def figures(places: NDArray[np.int64]) -> tuple[float, float]:
        whole = size[places].sum()
        return float(-a.nats[places].sum() / whole), float(-b.nats[places].sum() / whole)

    def swapped(places: NDArray[np.bool_]) -> float:
        apart = np.where(places, b.nats - a.nats, a.nats - b.nats)
        return float(apart.sum() / size.sum())

    return compare(len(a.nats), figures, swapped, "−bits per byte", seed)


class TextModel:
    """A causal language model and its tokenizer. The ranks share the texts."""

    def __init__(self, folder: Path, where: str, asked: Evaluate, accelerator: Accelerator) -> None:
        """Raises SpecError: it cannot be loaded, or its tokenizer has no mark to begin with."""
        self._accelerator, self._batch = accelerator, asked.batch
        logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, **KEPT)
            model: Any = AutoModelForCausalLM.from_pretrained(
                folder, use_safetensors=True, dtype=torch.float32, **KEPT
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            told = " ".join(str(error).split())
            raise SpecError(f"{where}: {folder}: cannot be loaded: {told}") from error
        self._model = model.to(accelerator.device).eval()
        self.parameters = sum(weights.numel() for weights in model.parameters())
        known = model.get_input_embeddings().num_embeddings
        if len(self._tokenizer) > known:
            raise SpecError(
                f"{where}: {folder}: the tokenizer has {len(self._tokenizer)} tokens and the model "
                f"{known}; they do not belong together"
            )
        marks = (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id)
        begin = next((mark for mark in marks if mark is not None), None)
        if begin is None:
            raise SpecError(f"{where}: {folder}: its tokenizer has no mark that a text begins with")
        self._begin: int = begin
        most = getattr(model.config, "max_position_embeddings", MOST_TOKENS)
        self._context = min(asked.context or most, most)

    def surprise(self, texts: list[str], name: str, parent: Parent | None) -> Surprise:
        """Of each text, given nothing but the mark before it."""
        accelerator = self._accelerator
        order = sorted(range(len(texts)), key=lambda at: (len(texts[at]), at))
        own = order[accelerator.process_index :: accelerator.num_processes]
        found = torch.zeros(2, len(texts), dtype=torch.float64, device=accelerator.device)
        for at in own:
            tokens = [self._begin, *self._tokenizer(texts[at], add_special_tokens=False).input_ids]
            found[0, at] = self._nats(tokens) if len(tokens) > 1 else 0.0
            found[1, at] = len(tokens) - 1
        everywhere = accelerator.reduce(found, reduction="sum").cpu().numpy()
        sizes = np.array([len(text.encode()) for text in texts], dtype=np.float64)
        return Surprise(
            name=name, nats=everywhere[0], tokens=everywhere[1], sizes=sizes, parent=parent
        )

    def one(self, text: str) -> None:
        """A single text, for its time's sake."""
        tokens = self._tokenizer(text, add_special_tokens=False).input_ids[: self._context - 1]
        self._nats([self._begin, *tokens, self._begin][: self._context])

    def known_by_heart(self, texts: list[str], most: int) -> tuple[int, int]:
        """Of so many texts that are long enough, how many it goes on with word for word.

        Returns:
            Those, and how many were tried.
        """
        tried = hits = 0
        for text in texts:
            if tried == most:
                break
            tokens = self._tokenizer(text, add_special_tokens=False).input_ids
            if len(tokens) < PREFIX + CONTINUED or self._context < PREFIX + CONTINUED:
                continue
            tried += 1
            given = torch.tensor([tokens[:PREFIX]], device=self._accelerator.device)
            with torch.inference_mode():
                made = self._model.generate(
                    input_ids=given,
                    attention_mask=torch.ones_like(given),
                    max_new_tokens=CONTINUED,
                    do_sample=False,
                    pad_token_id=self._begin,
                )
            hits += made[0, PREFIX:].tolist() == tokens[PREFIX : PREFIX + CONTINUED]
        return hits, tried

    def _nats(self, tokens: list[int]) -> float:
        """The summed loss of all but the first, each with as much before it as the context holds,
        and half a context at least."""
        ids = torch.tensor(tokens, device=self._accelerator.device)
        total = 0.0
        for begin, end, counted in windows(len(tokens), self._context - 1):
            inputs, targets = ids[begin:end], ids[begin + 1 : end + 1].clone()
            targets[: counted - begin - 1] = IGNORED
            with torch.inference_mode(), self._accelerator.autocast():
                logits = self._model(input_ids=inputs[None], use_cache=False).logits[0]
            total += float(
                functional.cross_entropy(
                    logits.float(), targets, ignore_index=IGNORED, reduction="sum"
                )
            )
        return total
