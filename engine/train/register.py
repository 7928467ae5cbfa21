"""Keeps a saved model as an artifact, with its figures and what it was made from."""

import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from ...agents.protocol.artifacts import Parent, digest_of
from ..artifacts.manifest import manifest_of
from ..artifacts.publish import publish_and_describe
from ..progress import Progress
from .spec import TrainSpec
from .work import Prediction

PREDICTIONS: Final = "predictions.jsonl"
"""A `Prediction` a line: the test part as the model sees it, for a later comparison."""

LONGEST: Final = 80
"""Characters of an artifact's name that come from the job's: what is added has room, too."""


def register(
    model: Path,
    predictions: Path | None,
    spec: TrainSpec,
    parents: Sequence[Parent],
    results: Mapping[str, float],
    progress: Progress,
) -> str | None:
    """Puts the model, and its predictions if there are any, into the store that the agent named.

    Returns:
        The model's name; None where no store is named, as when a script runs the program.

    Raises:
        ArtifactError: it cannot be kept. Nothing half-made is registered.
    """
    uri = os.environ.get("LLMOS_ARTIFACTS")
    if not uri:
        return None
    name = artifact_name(spec)
    metrics = {key: value for key, value in results.items() if math.isfinite(value)}
    made_by = digest_of(msgspec.json.encode(spec.train))
    tags = {"task": spec.train.task}
    line = publish_and_describe(
        uri, model, name, "model", parents=parents, metrics=metrics, tags=tags, spec=made_by
    )
    progress.register(line)
    if predictions is not None:
        of = [Parent(line.digest, "model"), *(one for one in parents if one.role == "data")]
        name_of = f"{name}-predictions"
        progress.register(
            publish_and_describe(
                uri, predictions, name_of, "predictions", parents=of, tags=tags, spec=made_by
            )
        )
    return name


def artifact_name(spec: TrainSpec) -> str:
    """`save_as`, or the job's name with what an artifact's cannot have taken as "-"."""
    if spec.train.save_as:
        return spec.train.save_as
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", spec.name or "").strip("-._")
    return name[:LONGEST] or "model"


def parent_of(folder: Path, role: str) -> Parent:
    """A folder as what something was made from: its digest is the artifact's that it is a copy of,
    whether or not that is known here.

    Raises:
        ArtifactError: something in it cannot be kept.
    """
    return Parent(manifest_of(folder).digest, role)


def write_predictions(predictions: Sequence[Prediction], path: Path) -> None:
    """One JSON object a line."""
    path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in predictions))
