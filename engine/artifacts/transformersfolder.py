"""Whether a folder is a transformers model that can be imported: JSON and safetensors alone.

Nothing of it is run or unpickled, and no weights are read: only how long they say they are.
"""

import json
from pathlib import Path
from typing import Any, Final

import msgspec

from ...agents.errors import ArtifactError
from .manifest import files_of

_PICKLES: Final = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"}
_TOKENIZERS: Final = {
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "vocab.txt",
    "vocab.json",
}
_WEIGHTS: Final = "model.safetensors"
_INDEX: Final = "model.safetensors.index.json"
_LONGEST_HEADER: Final = 100_000_000
"""Bytes; the format's own limit (github.com/huggingface/safetensors)."""


class TransformersFolder(msgspec.Struct, frozen=True):
    """What a folder was found to hold."""

    model_type: str
    """As config.json names it; empty if it does not."""

    weights: list[str]
    """Names of the safetensors files."""

    tokenizer: bool
    """Whether there is one: a model of text is of no use without."""


def check(folder: Path) -> TransformersFolder:
    """What the folder holds.

    Raises:
        ArtifactError: it is no model, it is not whole, or a pickle lies in it; the file is named.
    """
    files = files_of(folder)
    for path in files:
        name = Path(path).name.lower()
        if Path(name).suffix in _PICKLES or name.startswith("pytorch_model"):
            raise ArtifactError(
                f"{folder / path}: may be a pickle, which can run code; save as safetensors and "
                "take it away"
            )
    config = _json(folder, "config.json", files)
    weights = _weights(folder, files)
    for path in weights:
        _check_whole(folder / path, files[path])
    model_type = config.get("model_type", "")
    return TransformersFolder(
        model_type if isinstance(model_type, str) else "",
        weights,
        not _TOKENIZERS.isdisjoint(files),
    )


def _weights(folder: Path, files: dict[str, Path]) -> list[str]:
    if _INDEX not in files:
        if _WEIGHTS not in files:
            raise ArtifactError(f"{folder}: has no {_WEIGHTS}; save the model with save_pretrained")
        return [_WEIGHTS]
    shards = _json(folder, _INDEX, files).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise ArtifactError(f"{folder / _INDEX}: has no weight_map; save the model again")
    names = sorted({str(name) for name in shards.values()})
    for name in names:
        if name not in files or not name.endswith(".safetensors"):
            raise ArtifactError(f"{folder}: {name!r} of {_INDEX} is not there; copy it, too")
    return names


def _check_whole(place: Path, source: Path) -> None:
    """That a safetensors file is as long as its header says."""
    size = source.stat().st_size
    with source.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, _LONGEST_HEADER):
            raise ArtifactError(f"{place}: is no safetensors file, or cut short; copy it again")
        header = file.read(length)
    try:
        entries = json.loads(header)
        tensors = [entry for name, entry in entries.items() if name != "__metadata__"]
        end = max((int(entry["data_offsets"][1]) for entry in tensors), default=0)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise ArtifactError(f"{place}: its header is off; save the model again") from error
    if 8 + length + end != size:
        expected = 8 + length + end
        raise ArtifactError(f"{place}: has {size} bytes, expected {expected}; copy it again")


def _json(folder: Path, name: str, files: dict[str, Path]) -> dict[str, Any]:
    if name not in files:
        raise ArtifactError(f"{folder}: has no {name}; name the folder of save_pretrained")
    try:
        found = json.loads(files[name].read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{folder / name}: cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise ArtifactError(f"{folder / name}: expected a JSON object")
    return found
