"""What is refused when a job is submitted: one line that names the key and what to do."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from llmos.agents.errors import SpecError
from llmos.engine.specs import request, validate
from llmos.engine.train import spec as spec_module
from llmos.engine.train.tasks import TASKS
from llmos.tests.engine.train.labelledsets import reviews, write_dataset

PARTS = {"train": reviews(8), "test": reviews(4, 1)}


def asked(folder: Path, resources: dict[str, Any] | None = None, **train: Any) -> Any:
    table = {
        "kind": "train",
        "resources": resources or {},
        "train": {"task": "text-classification", "batch": 2, "data": {"source": "set"}} | train,
    }
    return request(validate(table), folder)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "set", "text", PARTS, ["bad", "good"])


def described(dataset: Path, **more: Any) -> None:
    path = dataset / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


def model_folder(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    header = b"{}"
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return folder


def test_the_table_of_tasks_holds_every_task_that_a_spec_may_name() -> None:
    named = spec_module.TaskName.__args__  # type: ignore[attr-defined]
    assert set(named) == set(TASKS)


def test_the_source_and_the_weights_become_absolute(tmp_path: Path, dataset: Path) -> None:
    (model_folder(tmp_path / "weights") / "vocab.txt").write_text("[PAD]\n")
    made = asked(tmp_path, model={"weights": "weights"}).spec["train"]
    assert made["data"]["source"] == str(dataset)
    assert made["model"]["weights"] == str(tmp_path / "weights")


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"sample": 3}, "$.train.sample: the task text-classification has no use for it"),
        ({"data": {"source": "set", "shift": 1}}, "$.train.data.shift: the task text-class"),
        ({"model": {"adapt": "frozen"}}, "$.train.model.weights: missing, expected the weights"),
        ({"model": {"weights": "x"}}, "$.train.model.weights: no such folder: "),
        ({"model": {"weights": "module:absent/x"}}, "no package named 'absent'; install it"),
        ({"data": {"source": ["a", "b"]}}, "$.train.data.source: expected one folder of a dat"),
        ({"data": {"source": "absent"}}, "absent has no dataset.json; name the folder of a dat"),
        ({"batch": 10}, "$.train.batch: expected at most the 8 samples, got 10"),
        ({"accumulate": 3}, "$.train.accumulate: expected parts into which 1 go"),
        ({"save_as": "a b"}, "$.train.save_as: expected"),
        ({"task": "image-classification"}, 'has no column "image", only label, text'),
        ({"task": "image-clasification"}, "$.train.task: expected one of"),
    ],
)
def test_what_cannot_be(tmp_path: Path, dataset: Path, train: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as refused:
        asked(tmp_path, {"ranks": 2}, **train)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"labels": ["good"]}, 'has one class, "good"; nothing to tell apart'),
        ({"label": None}, "has no labels; prepare it with a label column"),
        ({"format": 2}, "expected format 1, got 2"),
        ({"parts": {"train": {"rows": 1, "files": ["../x"]}}}, "has no file '../x'"),
        ({"parts": {}}, 'has no "train" part; prepare it with a split'),
        ({"columns": 3}, "Expected `object`, got `int` - at `$.columns`"),
    ],
)
def test_a_dataset_that_cannot_be_learned_from(
    tmp_path: Path, dataset: Path, more: dict[str, Any], message: str
) -> None:
    described(dataset, **more)
    with pytest.raises(SpecError) as refused:
        asked(tmp_path)
    assert message in str(refused.value)


def test_more_ranks_than_samples(tmp_path: Path, dataset: Path) -> None:
    with pytest.raises(SpecError, match=r"ranks: 9 ranks for 8 samples; ask for fewer ranks"):
        asked(tmp_path, {"ranks": 9}, batch=9)


def test_weights_without_a_tokenizer_and_with_a_pickle(tmp_path: Path, dataset: Path) -> None:
    weights = model_folder(tmp_path / "weights")
    with pytest.raises(SpecError, match=r"\$\.train\.model\.weights: .* has no tokenizer; save"):
        asked(tmp_path, model={"weights": "weights"})
    (weights / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(SpecError, match=r"pytorch_model\.bin: may be a pickle"):
        asked(tmp_path, model={"weights": "weights"})


def test_lora_is_refused_by_name_without_peft(
    tmp_path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> object | None:
        return None if name == "peft" else object()

    monkeypatch.setattr("llmos.engine.train.checks.find_spec", absent)
    with pytest.raises(SpecError, match=r'adapt: "lora" needs peft: pip install peft'):
        asked(tmp_path, model={"weights": "weights", "adapt": "lora"})


def test_a_file_that_is_gone_is_named(tmp_path: Path, dataset: Path) -> None:
    (dataset / "test-00000.parquet").unlink()
    with pytest.raises(SpecError, match=r"has no file 'test-00000.parquet'; copy it, too"):
        asked(tmp_path)
    shutil.rmtree(dataset)
