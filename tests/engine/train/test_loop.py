"""The learning rate's course, and what decays."""

import pytest
import torch

from llmos.engine.train.loop import FLOOR, learning_rate, new_optimizer
from llmos.engine.train.spec import Data, Train

TRAIN = Train(data=Data(source="a.txt"), steps=100, warmup=0.1, learning_rate=0.5)


def test_the_rate_rises_then_falls_to_its_floor() -> None:
    rates = [learning_rate(step, TRAIN) for step in range(100)]
    assert rates[0] == pytest.approx(0.05)
    assert max(rates) == rates[10] == rates[9] == 0.5
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] == pytest.approx(0.5 * FLOOR, rel=0.01)


@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_it_is_positive_with_all_or_no_warmup(warmup: float) -> None:
    train = Train(data=Data(source="a.txt"), steps=3, warmup=warmup)
    assert all(learning_rate(step, train) > 0 for step in range(3))


def test_matrices_decay_and_biases_do_not() -> None:
    decaying, other = new_optimizer(torch.nn.Linear(3, 2), TRAIN).param_groups
    assert [tuple(weights.shape) for weights in decaying["params"]] == [(2, 3)]
    assert [tuple(weights.shape) for weights in other["params"]] == [(2,)]
    assert decaying["weight_decay"] == TRAIN.weight_decay
    assert other["weight_decay"] == 0
