"""Samples with labels, in three parts, from a dataset's folder or from scikit-learn's digits."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128_hexdigest

from ...agents.errors import SpecError
from ...agents.protocol.artifacts import Parent, digest_of
from .dataset import SOURCE, Dataset, Row, described, rows
from .register import parent_of
from .spec import Data

Labels = NDArray[np.int64]

NAMED: Final = 5
"""Of the samples that are set aside, those that the log names."""


RESAMPLE: Final = 2
"""Bilinear, in pillow's numbers and in those of a transformers processor."""


class Unusable(Exception):
    """A sample cannot be read; the text says why."""


class Samples(msgspec.Struct, frozen=True):
    """One part."""

    ids: list[str]
    values: list[Any]
    """Texts, or images: uint8 [height, width, 3]."""

    labels: Labels
    """Places in the list of labels."""

    def of(self, chosen: NDArray[np.bool_]) -> "Samples":
        """Those at the places that are True."""
        places = np.flatnonzero(chosen)
        return Samples(
            [self.ids[place] for place in places],
            [self.values[place] for place in places],
            self.labels[places],
        )


class Labelled(msgspec.Struct, frozen=True):
    """All that there is to learn from and to be judged by."""

    labels: list[str]
    training: Samples
    validation: Samples
    test: Samples
    aside: list[str]
    """Why samples were set aside, one line for each."""

    parents: list[Parent]


def from_folder(
    data: Data, column: str, kind: type, read: Callable[[Any], Any], fewest: int
) -> Labelled:
    """A dataset's samples, each value as `read` makes it; what that calls `Unusable`, and what has
    no label, is set aside.

    Args:
        data: its source is a dataset's folder.
        column: holds the value, a `kind`.
        read: a value as the model takes it.
        fewest: training samples that are needed.

    Raises:
        SpecError: a label that the dataset does not list, a part with nothing to use, or a training
            part with one class or too few samples.
    """
    assert isinstance(data.source, str)  # noqa: S101 - checked when the job was submitted
    folder = Path(data.source)
    dataset = described(folder)
    labels = dataset.labels or []
    aside: list[str] = []
    parts = {
        part: _samples(folder, dataset, part, column, kind, read, aside)
        for part in ("train", "valid", "test")
        if part in dataset.parts and dataset.parts[part].rows
    }
    training, validation = parts["train"], parts.get("valid")
    if validation is None:
        kept = carved(training.labels, data.held_out, data.seed)
        training, validation = training.of(~kept), training.of(kept)
    _check(training, labels, fewest)
    return Labelled(labels, training, validation, parts["test"], aside, [parent_of(folder, "data")])


def digits(data: Data, side: int) -> Labelled:
    """scikit-learn's 1,797 images of digits (the test part of the "Optical Recognition of
    Handwritten Digits" set of the UCI repository), brought from 8 to `side` pixels."""
    from PIL import Image
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    found = load_digits()
    grey = np.round(found.images * (255 / 16)).astype(np.uint8)
    samples = Samples(
        [xxh3_128_hexdigest(image.tobytes())[:16] for image in grey],
        [
            np.asarray(Image.fromarray(image).convert("RGB").resize((side, side), RESAMPLE))
            for image in grey
        ],
        found.target.astype(np.int64),
    )
    test = carved(samples.labels, data.held_out, data.seed)
    rest = samples.of(~test)
    kept = carved(rest.labels, data.held_out / (1 - data.held_out), data.seed + 1)
    names = [str(name) for name in found.target_names]
    source = Parent(digest_of(grey.tobytes() + found.target.tobytes()), "data")
    return Labelled(names, rest.of(~kept), rest.of(kept), samples.of(test), [], [source])


def carved(labels: Labels, share: float, seed: int) -> NDArray[np.bool_]:
    """Which samples are kept apart: of each class that share, by a seed."""
    random = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        places = random.permutation(np.flatnonzero(labels == label))
        chosen[places[: round(len(places) * share)]] = True
    return chosen


def read_text(value: str) -> str:
    """A text as it is.

    Raises:
        Unusable: there is none.
    """
    if not value.strip():
        raise Unusable("an empty text")
    return value


def image_reader(side: int) -> Callable[[bytes], NDArray[np.uint8]]:
    """Makes a file's bytes (PNG, JPEG, …) an image of `side` × `side` pixels in three colours."""
    from PIL import Image

    def read(value: bytes) -> NDArray[np.uint8]:
        try:
            with Image.open(io.BytesIO(value)) as image:
                small = image.convert("RGB").resize((side, side), RESAMPLE)
                return np.asarray(small)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise Unusable(f"a broken image: {error}") from error

    return read


def told_aside(aside: Sequence[str]) -> str:
    """How many samples were set aside, and the first of them; empty if none were."""
    if not aside:
        return ""
    more = [f"  and {len(aside) - NAMED} more"] if len(aside) > NAMED else []
    return "\n".join(
        [f"{len(aside)} samples set aside:", *map("  {}".format, aside[:NAMED]), *more]
    )


def _samples(
    folder: Path,
    dataset: Dataset,
    part: str,
    column: str,
    kind: type,
    read: Callable[[Any], Any],
    aside: list[str],
) -> Samples:
    number = {label: place for place, label in enumerate(dataset.labels or [])}
    ids, values, labels = [], [], []
    for row in rows(folder, dataset, part, column):
        if row.label is not None and row.label not in number:
            raise SpecError(
                f'{SOURCE}: {folder}: "{part}" row {row.id}: label "{row.label}" is none of '
                f"the dataset's: {', '.join(number)}"
            )
        try:
            value = _value(row, kind, read)
        except Unusable as error:
            aside.append(f"{part} {row.id}: {error}")
            continue
        ids.append(row.id)
        values.append(value)
        labels.append(number[str(row.label)])
    if not ids:
        raise SpecError(f'{SOURCE}: {folder}: nothing in "{part}" can be used: {aside[-1]}')
    return Samples(ids, values, np.array(labels, dtype=np.int64))


def _value(row: Row, kind: type, read: Callable[[Any], Any]) -> Any:
    if row.label is None:
        raise Unusable("no label")
    if not isinstance(row.value, kind):
        raise Unusable(f"no {'text' if kind is str else 'image'}")
    return read(row.value)


def _check(training: Samples, labels: Sequence[str], fewest: int) -> None:
    found = np.unique(training.labels)
    if len(found) < 2:
        raise SpecError(
            f'{SOURCE}: all training samples are "{labels[found[0]]}"; '
            "there is nothing to tell apart"
        )
    if len(training.ids) < fewest:
        raise SpecError(
            f"$.train.batch: expected at most the {len(training.ids)} samples that can be "
            f"learned from, got {fewest}"
        )
