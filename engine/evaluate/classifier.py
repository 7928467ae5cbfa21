"""A transformers model that says which class a text or an image is of. The ranks share the rows."""

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from transformers import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)
from transformers.utils import logging

from ...agents.errors import SpecError
from ...agents.protocol.artifacts import Parent
from .outcome import Outcome
from .rows import Rows
from .spec import Evaluate

KEPT: Final = {"local_files_only": True, "trust_remote_code": False}
"""No net, and no code that comes with a model."""

MOST_TOKENS: Final = 1 << 20
"""What a tokenizer without a limit says is more."""


class Classifier:
    """Loaded once, asked many times."""

    def __init__(self, folder: Path, where: str, asked: Evaluate, accelerator: Accelerator) -> None:
        """Raises SpecError: it cannot be loaded, or is no classifier."""
        self._accelerator, self._batch = accelerator, asked.batch
        logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        reads_text = asked.task == "text-classification"
        kind: Any = (
            AutoModelForSequenceClassification if reads_text else AutoModelForImageClassification
        )
        try:
            self._inputs: Any = Texts(folder, asked.context) if reads_text else Images(folder)
            model: Any = kind.from_pretrained(
                folder, use_safetensors=True, dtype=torch.float32, **KEPT
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            told = " ".join(str(error).split())
            raise SpecError(f"{where}: {folder}: cannot be loaded: {told}") from error
        self._model = model.to(accelerator.device).eval()
        names = model.config.id2label
        self.labels = [str(names[number]) for number in range(len(names))]
        self.parameters = sum(weights.numel() for weights in model.parameters())

    def check(self, rows: Rows, where: str) -> None:
        """Raises SpecError: the data has a class that the model does not know."""
        unknown = sorted({*rows.labels} - {*self.labels})
        if unknown:
            raise SpecError(
                f'{where}: does not know the label "{unknown[0]}" of the data; it knows '
                f"{', '.join(self.labels)}"
            )

    def outcome(self, values: list[Any], name: str, parent: Parent | None) -> Outcome:
        """What it says of some values; all ranks take part and get all of it.

        Raises:
            SpecError: what it says is no number.
        """
        said = self._probabilities(values)
        if not np.isfinite(said).all():
            at = int(np.flatnonzero(~np.isfinite(said).all(axis=1))[0])
            raise SpecError(f"$.evaluate: {name} says NaN of row {at + 1}; its weights are damaged")
        labels = np.array(self.labels)
        return Outcome(
            name=name,
            predicted=labels[said.argmax(axis=1)],
            score=said.max(axis=1),
            probabilities={label: said[:, at] for at, label in enumerate(self.labels)},
            parent=parent,
        )

    def one(self, value: Any) -> None:
        """A single value, for its time's sake."""
        self._logits([value])

    def _probabilities(self, values: list[Any]) -> NDArray[np.float64]:
        """float64 [values, labels]."""
        accelerator = self._accelerator
        # Of about one length together: little is padded.
        order = sorted(range(len(values)), key=lambda at: (len(values[at]), at))
        own = order[accelerator.process_index :: accelerator.num_processes]
        said = torch.zeros(
            len(values), len(self.labels), dtype=torch.float64, device=accelerator.device
        )
        for first in range(0, len(own), self._batch):
            places = own[first : first + self._batch]
            said[places] = self._logits([values[at] for at in places]).double().softmax(-1)
        everywhere: torch.Tensor = accelerator.reduce(said, reduction="sum")
        return everywhere.cpu().numpy()

    def _logits(self, values: list[Any]) -> torch.Tensor:
        inputs = self._inputs(values)
        device = self._accelerator.device
        with torch.inference_mode(), self._accelerator.autocast():
            logits: torch.Tensor = self._model(
                **{name: value.to(device) for name, value in inputs.items()}
            ).logits
        return logits.float()


class Texts:
    """Texts made tokens."""

    def __init__(self, folder: Path, context: int | None) -> None:
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, **KEPT)
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        most = self._tokenizer.model_max_length
        self._context = context or (most if most <= MOST_TOKENS else None)

    def __call__(self, values: list[str]) -> Any:
        """input_ids and attention_mask: int64 [values, tokens of the longest]."""
        return self._tokenizer(
            values,
            padding=True,
            truncation=self._context is not None,
            max_length=self._context,
            return_tensors="pt",
        )


class Images:
    """Files of images made pixels."""

    def __init__(self, folder: Path) -> None:
        kind: Any = AutoImageProcessor
        self._processor = kind.from_pretrained(folder, **KEPT)

    def __call__(self, values: list[bytes]) -> Any:
        """pixel_values: float32 [values, 3, height, width]."""
        from PIL import Image

        images = [Image.open(io.BytesIO(value)).convert("RGB") for value in values]
        return self._processor(images, return_tensors="pt")
