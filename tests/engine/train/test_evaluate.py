"""Held-out perplexity: each token counted once, and the figure is the one that it should be."""

import math

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from llmos.engine.train.evaluate import perplexity, windows
from llmos.engine.train.model import new_model
from llmos.engine.train.spec import Model


@pytest.mark.parametrize("length", [2, 3, 7, 8, 9, 12, 13, 16, 17, 100, 101])
@pytest.mark.parametrize("context", [2, 3, 8])
def test_every_token_but_the_first_is_counted_once(length: int, context: int) -> None:
    spans = list(windows(length, context))
    counted = [target for _, end, first in spans for target in range(first, end + 1)]
    assert counted == list(range(1, length))
    for start, end, first in spans:
        assert end - start <= context
        assert start < first
        assert start == 0 or first - start > context // 2 or context < 4


def test_it_agrees_with_the_sum_over_single_tokens() -> None:
    torch.manual_seed(0)
    model = new_model(Model(layers=1, width=16, heads=2, context=8), vocabulary=20, end=0)
    tokens = np.random.default_rng(0).integers(20, size=40).astype(np.uint32)
    model.train(False)
    total = 0.0
    for start, end, first in windows(len(tokens), 8):
        for target in range(first, end + 1):
            seen = torch.tensor(tokens[start:target].astype(np.int64))[None]
            scores = model(seen).logits[0, -1].detach().log_softmax(-1)
            total -= scores[int(tokens[target])].item()
    figure = perplexity(model, tokens, Accelerator(cpu=True))
    assert figure == pytest.approx(math.exp(total / 39), rel=1e-4)
