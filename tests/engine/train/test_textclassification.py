"""Texts are classified, from a configuration and from existing weights."""

import importlib.util
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from llmos.engine.specs import request, validate
from llmos.tests.engine.train.labelledsets import reviews, write_dataset
from llmos.tests.engine.train.test_train import one_rank, results, said

SMALL = {"layers": 1, "width": 32, "heads": 2, "context": 32, "dropout": 0.0}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts = {"train": reviews(160), "valid": reviews(40, 1), "test": reviews(40, 2)}
    return write_dataset(tmp_path_factory.mktemp("data") / "set", "text", parts, ["bad", "good"])


def prepared(task: Path, dataset: Path, model: dict[str, Any], **train: Any) -> dict[str, str]:
    task.mkdir()
    table = {
        "kind": "train",
        "name": "reviews",
        "train": {
            "task": "text-classification",
            "data": {"source": str(dataset)},
            "model": model,
            "epochs": 6,
            "batch": 16,
            "learning_rate": 3e-3,
            "precision": "fp32",
        }
        | train,
    }
    (task / "spec.json").write_text(json.dumps(request(validate(table), task).spec))
    store = {"LLMOS_ARTIFACTS": str(task.parent / "store")}
    return os.environ | store | {"LLMOS_TASK": str(task), "LLMOS_SPEC": str(task / "spec.json")}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> Path:
    task = tmp_path_factory.mktemp("one") / "a1"
    environment = prepared(task, dataset, SMALL, accumulate=2, tokenizer={"vocabulary": 400})
    ended = one_rank(environment)
    assert ended.returncode == 0, ended.stderr
    return task


def test_it_learns_and_says_each_epoch(trained: Path) -> None:
    assert results(trained)["test_accuracy"] > 0.9
    epochs = [line for line in said(trained) if "val_accuracy" in line]
    assert [line["epoch"] for line in epochs] == [1, 2, 3, 4, 5, 6]
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"]


def test_the_saved_model_says_in_transformers_what_the_predictions_say(trained: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(trained / "model")
    model = AutoModelForSequenceClassification.from_pretrained(trained / "model")
    texts = [text for text, _ in reviews(40, 2)]
    with torch.inference_mode():
        logits = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits
    lines = (trained / "predictions.jsonl").read_text().splitlines()
    wanted = [json.loads(line) for line in lines]
    scores, best = logits.softmax(-1).max(-1)
    assert [model.config.id2label[int(one)] for one in best] == [p["predicted"] for p in wanted]
    assert scores.tolist() == pytest.approx([p["score"] for p in wanted], abs=1e-4)


def test_the_model_is_registered_with_what_it_was_made_from(trained: Path, dataset: Path) -> None:
    from llmos.engine.artifacts.manifest import manifest_of
    from llmos.engine.artifacts.store import Store

    model, predictions = [line for line in said(trained) if "digest" in line]
    assert (model["name"], model["kind"]) == ("reviews", "model")
    assert model["parents"] == [{"digest": manifest_of(dataset).digest, "role": "data"}]
    assert model["metrics"]["test_accuracy"] == results(trained)["test_accuracy"]
    assert predictions["parents"][0] == {"digest": model["digest"], "role": "model"}
    assert Store(model["uri"]).verify(model["digest"]) == []


@pytest.mark.parametrize("adapt", ["full", "frozen", "lora"])
def test_it_starts_from_existing_weights(
    tmp_path: Path, dataset: Path, trained: Path, adapt: str
) -> None:
    if adapt == "lora" and importlib.util.find_spec("peft") is None:
        pytest.skip("peft is not installed")
    from safetensors.torch import load_file

    model = {"weights": str(trained / "model"), "adapt": adapt, "context": 32}
    task = tmp_path / "a1"
    ended = one_rank(prepared(task, dataset, model, epochs=1))
    assert ended.returncode == 0, ended.stderr
    (made, _) = [line for line in said(task) if "digest" in line]
    assert [parent["role"] for parent in made["parents"]] == ["data", "base model"]
    before, after = (load_file(p / "model" / "model.safetensors") for p in (trained, task))
    assert before.keys() == after.keys()
    moved = {name for name in before if not before[name].equal(after[name])}
    heads = {name for name in before if name.startswith("classifier")}
    assert heads & moved
    assert (moved <= heads) == (adapt == "frozen")


def test_a_tokenizer_of_another_vocabulary_is_one_line(
    tmp_path: Path, dataset: Path, trained: Path
) -> None:
    weights = Path(shutil.copytree(trained / "model", tmp_path / "weights"))
    tokens = json.loads((weights / "tokenizer.json").read_text())
    tokens["added_tokens"].append(tokens["added_tokens"][0] | {"id": 9000, "content": "<more>"})
    (weights / "tokenizer.json").write_text(json.dumps(tokens))
    config = json.loads((weights / "config.json").read_text())
    assert config["vocab_size"] < 9000
    model = {"weights": str(weights), "context": 32}
    ended = one_rank(prepared(tmp_path / "a1", dataset, model))
    assert ended.returncode == 2
    assert "they do not belong together" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "store").exists()
