"""The task image-classification: a ViT from a configuration says which class an image is of.

Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words". All images are in memory, brought to one
size, as bytes.
"""

from pathlib import Path
from typing import Final

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from numpy.typing import NDArray
from transformers.models.vit.configuration_vit import ViTConfig
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil
from transformers.models.vit.modeling_vit import ViTForImageClassification

from ..progress import Progress
from .checks import DIGITS
from .classification import Classification, Places
from .labelled import Labelled, Samples, digits, from_folder, image_reader
from .spec import Model, Train

MEAN: Final = 0.5
SPREAD: Final = 0.5
"""What is taken from a colour between 0 and 1, and what it is divided by: ViT's own processor."""

WIDER: Final = 4
"""Times the width inside a layer's perceptron, as in the paper."""


class ImageInputs:
    """Images: float32 [samples, 3, side, side] between -1 and 1."""

    def __init__(self, side: int, shift: int) -> None:
        self._side, self._shift = side, shift

    def batch(
        self, samples: Samples, places: Places, random: np.random.Generator | None
    ) -> dict[str, torch.Tensor]:
        """Those that are learned from are moved at random."""
        images = np.stack([samples.values[place] for place in places])
        if random is not None and self._shift:
            images = shifted(images, self._shift, random)
        pixels = (torch.from_numpy(images).float() / 255 - MEAN) / SPREAD
        return {"pixel_values": pixels.permute(0, 3, 1, 2).contiguous()}

    def order(self, samples: Samples, batch: int, random: np.random.Generator) -> Places:
        """Any."""
        return random.permutation(len(samples.ids))

    def save(self, folder: Path) -> object:
        """As transformers' processor, which does the same with an image."""
        return ViTImageProcessorPil(
            size={"height": self._side, "width": self._side},
            do_convert_rgb=True,
            image_mean=[MEAN] * 3,
            image_std=[SPREAD] * 3,
        ).save_pretrained(folder)


def shifted(images: NDArray[np.uint8], most: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Each image moved by up to `most` pixels down and right, or up and left; the edge repeats."""
    side = images.shape[1]
    wide = np.pad(images, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    from_ = random.integers(0, 2 * most + 1, size=(len(images), 2))
    along = np.arange(side)
    rows = (from_[:, :1] + along)[:, :, None]
    columns = (from_[:, 1:] + along)[:, None, :]
    moved: NDArray[np.uint8] = wide[np.arange(len(images))[:, None, None], rows, columns]
    return moved


def new_vit(model: Model, labels: list[str]) -> ViTForImageClassification:
    """A model of that shape, with weights drawn anew."""
    config = ViTConfig(
        hidden_size=model.width,
        num_hidden_layers=model.layers,
        num_attention_heads=model.heads,
        intermediate_size=WIDER * model.width,
        hidden_dropout_prob=model.dropout,
        # As wide as a layer's inputs ask for (LeCun et al. 1998, "Efficient BackProp", 4.6). The
        # default suits a width of some thousands, and a small model starts slowly with it.
        initializer_range=model.width**-0.5,
        image_size=model.image,
        patch_size=model.patch,
        num_channels=3,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    return ViTForImageClassification(config)


def new_work(
    train: Train, _folder: Path, accelerator: Accelerator, progress: Progress
) -> Classification:
    """Every rank reads the images.

    Raises:
        SpecError: the dataset cannot be used.
    """
    progress.phase("reading images")
    data = _data(train)
    set_seed(train.seed)
    model = new_vit(train.model, data.labels)
    inputs = ImageInputs(train.model.image, train.data.shift)
    return Classification(train, data, model, inputs, accelerator)


def _data(train: Train) -> Labelled:
    if train.data.source == DIGITS:
        return digits(train.data, train.model.image)
    return from_folder(train.data, "image", bytes, image_reader(train.model.image), train.batch)
