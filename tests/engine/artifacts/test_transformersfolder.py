"""What may be imported as a model, on a folder that transformers itself would read."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from llmos.agents.errors import ArtifactError
from llmos.engine.artifacts.transformersfolder import check


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    save_file({"w": np.ones((2, 3), np.float32)}, str(tmp_path / "model.safetensors"))
    return tmp_path


def test_a_tokenizer_is_there_or_said_to_be_missing(model: Path) -> None:
    found = check(model)
    assert (found.model_type, found.weights) == ("gpt2", ["model.safetensors"])
    assert not found.tokenizer
    (model / "tokenizer.json").write_text("{}")
    assert check(model).tokenizer


@pytest.mark.parametrize(
    "name",
    ["pytorch_model.bin", "training_args.bin", "deep/optimizer.PT", "x.pkl", "pytorch_model.json"],
)
def test_pickles_are_refused_by_name(model: Path, name: str) -> None:
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_bytes(b"")
    with pytest.raises(ArtifactError, match=f"{name}: may be a pickle"):
        check(model)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_what_is_missing_is_named(model: Path, name: str) -> None:
    (model / name).unlink()
    (model / "other").write_text("")
    with pytest.raises(ArtifactError, match=f"has no {name}"):
        check(model)


def test_weights_that_are_cut_short_are_refused(model: Path) -> None:
    weights = model / "model.safetensors"
    whole = weights.read_bytes()
    for kept in range(len(whole)):
        weights.write_bytes(whole[:kept])
        with pytest.raises(ArtifactError, match=r"model\.safetensors: .* copy it again"):
            check(model)


def test_each_shard_must_be_there(model: Path) -> None:
    (model / "model.safetensors").rename(model / "model-1.safetensors")
    shards = {"w": "model-1.safetensors", "v": "model-2.safetensors"}
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(ArtifactError, match=r"'model-2\.safetensors' .* is not there"):
        check(model)
    save_file({"v": np.ones(1)}, str(model / "model-2.safetensors"))
    assert check(model).weights == ["model-1.safetensors", "model-2.safetensors"]


@pytest.mark.parametrize("text", ["[]", "{", ""])
def test_a_configuration_that_is_no_object_is_refused(model: Path, text: str) -> None:
    (model / "config.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"config\.json: "):
        check(model)
