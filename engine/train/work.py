"""What a task brings to the one loop: data, model, loss and figures."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import msgspec
import torch

from ...agents.protocol.artifacts import Parent

Batch = Mapping[str, torch.Tensor]
"""Tensors by name; the first dimension of each is the samples."""


class Prediction(msgspec.Struct, frozen=True):
    """What a model says of one sample of the test part: a line of predictions.jsonl."""

    id: str
    label: str
    predicted: str
    score: float
    """The probability that the model gives to `predicted`."""


class Verdict(msgspec.Struct, frozen=True):
    """What a trained model came to on data that it never saw."""

    results: dict[str, float]
    text: str
    """For the log: the same as a table."""

    predictions: list[Prediction] = []


class Work(Protocol):
    """One task with its data and its model. All ranks hold the same."""

    model: torch.nn.Module
    steps_per_epoch: int
    parents: list[Parent]
    """What the model is made from, where it has a digest."""

    def introduction(self) -> str:
        """Model and data in figures, for the log."""

    def batches(self, rank: int, ranks: int) -> Iterator[Batch]:
        """This rank's share of every batch, without end, in another order in each pass."""

    def loss(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """The mean over a batch, of the model as the ranks share it."""

    def counted(self, batch: Batch, ranks: int) -> dict[str, int]:
        """How much all ranks learn from in a step, as `tokens` or `samples`."""

    def validate(self) -> dict[str, float]:
        """Figures on the validation part, alike on all ranks; none if the task has no such part.
        `val_accuracy` is the one by which epochs are compared."""

    def judge(self) -> Verdict:
        """The verdict, alike on all ranks, which take part in it."""

    def save(self, folder: Path) -> None:
        """The model as a transformers folder, whole or not at all.

        Raises:
            LaunchError: it cannot be written.
        """

    def farewell(self) -> str:
        """What else a person likes to see at the end; may be empty."""
