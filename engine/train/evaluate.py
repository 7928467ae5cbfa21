"""Held-out perplexity of a model, over all ranks."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from accelerate import Accelerator
from torch.nn import functional
from transformers.models.gpt2.modeling_gpt2 import GPT2LMHeadModel

from .tokenizer import Tokens

IGNORED = -100
"""As a target, what cross_entropy does not count."""

BATCH = 16
"""Windows at once: what fits beside the optimizer's state, which is still there."""


def windows(length: int, context: int) -> Iterator[tuple[int, int, int]]:
    """(start, end, first counted target) of windows that slide by half a context.

    A window's inputs are tokens start … end - 1 and its targets start + 1 … end. Every target
    from 1 to `length` - 1 is counted in exactly one window, and all but the first window's with at
    least half a context before it.
    """
    stride = max(context // 2, 1)
    counted = 1
    for start in range(0, length, stride):
        end = min(start + context, length - 1)
        yield start, end, counted
        counted = end + 1
        if counted >= length:
            return


def perplexity(model: GPT2LMHeadModel, tokens: Tokens, accelerator: Accelerator) -> float:
    """e to the mean negative log-likelihood (nats) of each token but the first, given those
    before it as far as the context reaches. The ranks share the windows; all get the figure."""
    context = model.config.n_positions
    spans = list(windows(len(tokens), context))
    own = spans[accelerator.process_index :: accelerator.num_processes]
    total = torch.zeros((), dtype=torch.float64, device=accelerator.device)
    was_training = model.training
    model.train(False)
    with torch.inference_mode():
        for first in range(0, len(own), BATCH):
            total += _loss(model, tokens, own[first : first + BATCH], context)
    model.train(was_training)
    everywhere = accelerator.reduce(total, reduction="sum")
    return math.exp(everywhere.item() / (len(tokens) - 1))


def _loss(
    model: GPT2LMHeadModel, tokens: Tokens, spans: list[tuple[int, int, int]], context: int
) -> torch.Tensor:
    """The summed loss of the targets that these windows count."""
    inputs = np.zeros((len(spans), context), dtype=np.int64)
    targets = np.full((len(spans), context), IGNORED, dtype=np.int64)
    for row, (start, end, counted) in enumerate(spans):
        inputs[row, : end - start] = tokens[start:end]
        targets[row, counted - start - 1 : end - start] = tokens[counted : end + 1]
    device = model.device
    logits = model(torch.from_numpy(inputs).to(device), use_cache=False).logits
    flat = torch.from_numpy(targets).to(device).flatten()
    loss = functional.cross_entropy(logits.float().flatten(0, 1), flat, reduction="sum")
    return loss.double()
