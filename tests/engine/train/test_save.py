"""A saved model is whole or not there."""

from pathlib import Path

import pytest
from transformers.models.gpt2.modeling_gpt2 import GPT2LMHeadModel

from llmos.agents.errors import LaunchError
from llmos.engine.train import save
from llmos.engine.train.model import new_model
from llmos.engine.train.spec import Model
from llmos.engine.train.tokenizer import train_tokenizer


@pytest.fixture
def model() -> GPT2LMHeadModel:
    return new_model(Model(layers=1, width=8, heads=1, context=8), vocabulary=300, end=0)


def test_an_interrupted_save_leaves_nothing(
    tmp_path: Path, model: GPT2LMHeadModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(folder: Path) -> None:
        assert (folder / "model.safetensors").is_file()
        raise KeyboardInterrupt

    monkeypatch.setattr(save, "_flush", stop)
    with pytest.raises(KeyboardInterrupt):
        save.save_model(model, train_tokenizer(["a text"], 300), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(model: GPT2LMHeadModel) -> None:
    with pytest.raises(LaunchError, match="/dev/null/model: cannot be written"):
        save.save_model(model, train_tokenizer(["a text"], 300), Path("/dev/null/model"))


def test_a_model_is_never_written_over(tmp_path: Path) -> None:
    save.check_free(tmp_path / "model")
    with pytest.raises(LaunchError, match="never written over"):
        save.check_free(tmp_path)
