"""What text and images have in common when a model says which class they are of."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch.nn import functional
from transformers.modeling_utils import PreTrainedModel

from .labelled import Labelled, Labels, Samples, told_aside
from .save import save_folder
from .spec import Train
from .work import Batch, Prediction, Verdict

LEAST: Final = 1e-12
"""A probability below is taken as this, so that its logarithm is finite."""

Places = NDArray[np.int64]
Probabilities = NDArray[np.float64]
"""[samples, classes], each row with sum 1."""


class Inputs(Protocol):
    """Samples as a model takes them."""

    def batch(
        self, samples: Samples, places: Places, random: np.random.Generator | None
    ) -> dict[str, torch.Tensor]:
        """What the model is called with, for the samples at those places. With `random` they are
        learned from, and may be changed as training images are."""

    def order(self, samples: Samples, batch: int, random: np.random.Generator) -> Places:
        """All places, shuffled for one pass in batches of that size."""

    def save(self, folder: Path) -> object:
        """Writes what makes a model's inputs, as transformers reads it."""


class Classification:
    """Samples with labels in, accuracy on the test part out."""

    def __init__(
        self,
        train: Train,
        data: Labelled,
        model: PreTrainedModel,
        inputs: Inputs,
        accelerator: Accelerator,
    ) -> None:
        self._train, self._data, self._inputs = train, data, inputs
        self._accelerator = accelerator
        self.model: Any = model
        self.steps_per_epoch = len(data.training.ids) // train.batch
        self.parents = list(data.parents)

    def introduction(self) -> str:
        """Parameters, classes and samples."""
        data = self._data
        weights = list(self.model.parameters())
        learned = sum(w.numel() for w in weights if w.requires_grad)
        lines = [
            f"{sum(w.numel() for w in weights):,} parameters, {learned:,} of them learned, "
            f"{len(data.labels)} classes",
            f"{len(data.training.ids):,} samples to learn from, {len(data.validation.ids):,} to "
            f"validate on, {len(data.test.ids):,} for the test",
            told_aside(data.aside),
        ]
        return "\n".join(filter(None, lines))

    def batches(self, rank: int, ranks: int) -> Iterator[Batch]:
        """Each pass in another order. What is left over at its end is in the next."""
        train, samples = self._train, self._data.training
        random = np.random.default_rng(train.seed)
        # The order is alike on all ranks; what is done to their own samples is not.
        own = np.random.default_rng((train.seed, rank))
        while True:
            order = self._inputs.order(samples, train.batch, random)
            for first in range(0, len(order) - train.batch + 1, train.batch):
                places = order[first + rank : first + train.batch : ranks]
                labels = torch.from_numpy(samples.labels[places])
                yield {"labels": labels, **self._inputs.batch(samples, places, own)}

    def loss(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """The mean cross entropy (nats)."""
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        return functional.cross_entropy(model(**inputs).logits.float(), batch["labels"])

    def counted(self, batch: Batch, ranks: int) -> dict[str, int]:
        """Samples."""
        return {"samples": len(batch["labels"]) * ranks}

    def validate(self) -> dict[str, float]:
        """Loss and accuracy on the validation part."""
        samples = self._data.validation
        if not samples.ids:
            return {}
        said = self._probabilities(samples)
        return {
            "val_loss": mean_loss(said, samples.labels),
            "val_accuracy": accuracy(said, samples.labels),
        }

    def judge(self) -> Verdict:
        """Accuracy, F1 and loss on the test part, beside the share of its commonest class."""
        test, labels = self._data.test, self._data.labels
        said = self._probabilities(test)
        commonest = np.bincount(self._data.training.labels, minlength=len(labels)).argmax()
        results = {
            "test_accuracy": accuracy(said, test.labels),
            "test_macro_f1": macro_f1(said, test.labels),
            "test_loss": mean_loss(said, test.labels),
            "commonest_class_accuracy": float((test.labels == commonest).mean()),
        }
        results |= {f"last_{name}": value for name, value in self.validate().items()}
        if self._data.aside:
            results["set_aside"] = len(self._data.aside)
        return Verdict(results, self._table(results), predictions(said, test, labels))

    def save(self, folder: Path) -> None:
        """With what makes its inputs."""
        save_folder(folder, self.model.save_pretrained, self._inputs.save)

    def farewell(self) -> str:
        """Nothing."""
        return ""

    def _table(self, results: dict[str, float]) -> str:
        number = len(self._data.test.ids)
        low, high = wilson(results["test_accuracy"], number)
        return (
            f"on the {number:,} samples of the test part\n"
            f"  accuracy                {results['test_accuracy']:.4f}"
            f"  (95 % interval {low:.3f} to {high:.3f})\n"
            f"  macro F1                {results['test_macro_f1']:.4f}\n"
            f"  loss                    {results['test_loss']:.4f}\n"
            f"  always the commonest    {results['commonest_class_accuracy']:.4f}"
        )

    def _probabilities(self, samples: Samples) -> Probabilities:
        """What the model says of all samples; the ranks share them, and all get all."""
        accelerator, size = self._accelerator, self._train.batch
        every = np.arange(len(samples.ids))
        own = every[accelerator.process_index :: accelerator.num_processes]
        said = torch.zeros(
            len(every), len(self._data.labels), dtype=torch.float64, device=accelerator.device
        )
        was_training = self.model.training
        self.model.train(False)
        with torch.inference_mode():
            for first in range(0, len(own), size):
                places = own[first : first + size]
                batch = self._inputs.batch(samples, places, None)
                logits = self.model(
                    **{name: value.to(accelerator.device) for name, value in batch.items()}
                ).logits
                said[torch.from_numpy(places)] = logits.double().softmax(-1)
        self.model.train(was_training)
        everywhere: torch.Tensor = accelerator.reduce(said, reduction="sum")
        return everywhere.cpu().numpy()


def accuracy(said: Probabilities, labels: Labels) -> float:
    """The share of samples whose likeliest class is the right one."""
    return float((said.argmax(axis=1) == labels).mean())


def mean_loss(said: Probabilities, labels: Labels) -> float:
    """The mean cross entropy (nats)."""
    right = said[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(right, LEAST)).mean())


def macro_f1(said: Probabilities, labels: Labels) -> float:
    """The mean over the classes that are there of the harmonic mean of precision and recall (van
    Rijsbergen 1979, "Information Retrieval", chapter 7)."""
    chosen = said.argmax(axis=1)
    scores = []
    for label in np.unique(labels):
        hits = float(((chosen == label) & (labels == label)).sum())
        scores.append(2 * hits / float((chosen == label).sum() + (labels == label).sum()))
    return float(np.mean(scores))


def wilson(share: float, number: int) -> tuple[float, float]:
    """The 95 % interval of a share that was seen in so many (Wilson 1927, "Probable inference, the
    law of succession, and statistical inference")."""
    z = 1.959964
    middle = share + z * z / (2 * number)
    spread = z * math.sqrt(share * (1 - share) / number + z * z / (4 * number * number))
    whole = 1 + z * z / number
    return (middle - spread) / whole, (middle + spread) / whole


def predictions(said: Probabilities, samples: Samples, labels: list[str]) -> list[Prediction]:
    """One for each sample."""
    return [
        Prediction(name, labels[label], labels[row.argmax()], round(float(row.max()), 6))
        for name, label, row in zip(samples.ids, samples.labels, said, strict=True)
    ]
