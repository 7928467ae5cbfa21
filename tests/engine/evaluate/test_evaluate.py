"""Models judged by the program itself: texts, images, language; one rank and two; mistakes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llmos.agents.errors import SpecError
from llmos.engine.specs import request, validate
from llmos.tests.engine.train.labelledsets import Rows, pictures, reviews, write_dataset
from llmos.tests.engine.train.test_train import one_rank, results, said

SHAPE = {"layers": 1, "width": 32, "heads": 2, "context": 32, "dropout": 0.0}
TRAIN = {"epochs": 4, "batch": 16, "learning_rate": 3e-3, "precision": "fp32"}


def prepared(task: Path, kind: str, table: dict[str, Any], **environment: str) -> dict[str, str]:
    """A task folder as an agent makes it; the environment of its ranks."""
    task.mkdir(parents=True)
    asked = request(validate({"kind": kind, "name": "reviews", kind: table}), task)
    (task / "spec.json").write_text(json.dumps(asked.spec))
    around = {name: text for name, text in os.environ.items() if name != "LLMOS_ARTIFACTS"}
    said = {"LLMOS_TASK": str(task), "LLMOS_SPEC": str(task / "spec.json")}
    return around | said | environment


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts = {"train": reviews(120), "valid": reviews(20, 1), "test": reviews(60, 2)}
    return write_dataset(tmp_path_factory.mktemp("data") / "texts", "text", parts, ["bad", "good"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, texts: Path) -> Path:
    """The task folder of a training: with a model and its predictions."""
    task = tmp_path_factory.mktemp("trained") / "a1"
    table = {"task": "text-classification", "data": {"source": str(texts)}, "model": SHAPE}
    ended = one_rank(prepared(task, "train", table | TRAIN | {"tokenizer": {"vocabulary": 400}}))
    assert ended.returncode == 0, ended.stderr
    return task


def evaluate(place: Path, ranks: int = 1, /, **table: Any) -> dict[str, Any]:
    """The report."""
    environment = prepared(place, "evaluate", table, LLMOS_ARTIFACTS=str(place.parent / "store"))
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "llmos.engine", "evaluate"],
            env=environment | ranked(rank, ranks, place),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(ranks)
    ]
    for rank, process in enumerate(started):
        printed, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        if rank == 0:
            (place / "log").write_text(printed)
    found: dict[str, Any] = json.loads((place / "report" / "report.json").read_text())
    return found


def ranked(rank: int, ranks: int, task: Path) -> dict[str, str]:
    if ranks == 1:
        return {}
    from llmos.agents.node.task.rankcommand import free_port

    port = task / "port"
    if not port.exists():
        port.write_text(str(free_port()))
    size = {"WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks)}
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port.read_text()}
    return size | place | {"RANK": str(rank), "LOCAL_RANK": str(rank)}


WHOLE: dict[str, Any] = {
    "task": "text-classification",
    "against": ["majority", "tfidf-logistic"],
    "robustness": ["typos", "case", "corruption", "length"],
    "slices": ["label"],
    "precision": "fp32",
    "latency": 3,
    "context": 32,
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, texts: Path, trained: Path) -> Path:
    task = tmp_path_factory.mktemp("judged") / "a1"
    evaluate(task, data=str(texts), model=str(trained / "model"), **WHOLE)
    return task


def test_a_model_is_judged_beside_others(judged: Path) -> None:
    report = json.loads((judged / "report" / "report.json").read_text())
    assert report["figures"]["accuracy"] > 0.9
    by = {one["figures"]["name"]: one["verdict"] for one in report["compared"]}
    assert by["majority"]["word"] == "B is better"
    assert by["majority"]["a"] == 0.5
    assert by["tfidf-logistic"]["word"] == "no difference shown"
    assert [one["how"] for one in report["robustness"]] == WHOLE["robustness"]
    assert {one["by"] for one in report["slices"]} == {"label", "length"}
    came = results(judged)
    assert came["accuracy"] == report["figures"]["accuracy"]
    assert str(came["against majority"]).startswith("B is better: accuracy ")
    assert came["latency_p50_ms"] > 0
    log = (judged / "log").read_text()
    assert "B is model; A is\n  majority: B is better" in log


def test_the_page_holds_its_plots_and_escapes_the_data(judged: Path) -> None:
    page = (judged / "report" / "report.html").read_text()
    assert page.count("<svg") == 3
    assert "<script" not in page
    assert "B is better" in page


def test_the_report_is_registered_with_what_it_judged(
    judged: Path, texts: Path, trained: Path
) -> None:
    from llmos.engine.artifacts.manifest import manifest_of

    (line,) = [one for one in said(judged) if one["what"] == "artifact" and "digest" in one]
    assert (line["name"], line["kind"]) == ("reviews-report", "report")
    assert line["parents"] == [
        {"digest": manifest_of(texts).digest, "role": "data"},
        {"digest": manifest_of(trained / "model").digest, "role": "model"},
    ]
    assert line["tags"]["against majority"] == "B is better"
    assert line["metrics"]["accuracy"] > 0.9


def test_two_ranks_say_what_one_does(
    judged: Path, tmp_path: Path, texts: Path, trained: Path
) -> None:
    report = evaluate(tmp_path / "a1", 2, data=str(texts), model=str(trained / "model"), **WHOLE)
    alone = json.loads((judged / "report" / "report.json").read_text())
    for one in (report, alone):
        # Other neighbours in a batch round the last bits of a probability otherwise.
        for key in ("auc", "log_loss", "brier", "ece", "calibration"):
            one["figures"].pop(key)
        for mistake in one["mistakes"]:
            mistake["score"] = round(mistake["score"], 4)
    assert report == alone


def test_predictions_are_judged_as_the_model_is(
    judged: Path, tmp_path: Path, texts: Path, trained: Path
) -> None:
    model = str(trained / "predictions.jsonl")
    table = {"task": "text-classification", "data": str(texts), "model": model}
    report = evaluate(tmp_path / "a1", **table, against=[str(trained / "model")])
    alone = json.loads((judged / "report" / "report.json").read_text())
    assert report["figures"]["accuracy"] == alone["figures"]["accuracy"]
    verdict = report["compared"][0]["verdict"]
    assert (verdict["word"], verdict["a"]) == ("no difference shown", verdict["b"])


def test_images_are_judged(tmp_path: Path) -> None:
    parts = {"train": pictures(60), "valid": pictures(10, 1), "test": pictures(40, 2)}
    data = write_dataset(tmp_path / "images", "image", parts, ["bright", "dark"])
    shape = {"image": 8, "patch": 4, "layers": 1, "width": 16, "heads": 2}
    table = {"task": "image-classification", "data": {"source": str(data)}, "model": shape}
    ended = one_rank(prepared(tmp_path / "a1", "train", table | TRAIN))
    assert ended.returncode == 0, ended.stderr
    table = {"task": "image-classification", "data": str(data), "precision": "fp32"}
    report = evaluate(
        tmp_path / "b1", **table, model=str(tmp_path / "a1/model"), against=["majority"]
    )
    assert report["figures"]["accuracy"] == results(tmp_path / "a1")["test_accuracy"]


def test_language_models_are_compared_by_bits(tmp_path: Path) -> None:
    parts = {"train": reviews(60), "test": reviews(30, 2)}
    data = write_dataset(tmp_path / "texts", "text", parts, ["bad", "good"])
    squares = tmp_path / "squares.txt"
    squares.write_text("\n\n".join(f"{number**2} {number**3}" for number in range(2000)))
    for name, source in (("a1", "module:pydoc_data.topics"), ("a2", str(squares))):
        table = {"data": {"source": source}, "model": SHAPE, "sample": 0, "precision": "fp32"}
        table |= {"tokenizer": {"vocabulary": 300}, "steps": 60, "batch": 4}
        ended = one_rank(prepared(tmp_path / name, "train", table))
        assert ended.returncode == 0, ended.stderr
    models = [str(tmp_path / name / "model") for name in ("a1", "a2")]
    table = {"task": "causal-lm", "data": str(data), "precision": "fp32", "memorised": 5}
    report = evaluate(tmp_path / "b1", **table, model=models[0], against=[models[1]])
    verdict = report["compared"][0]["verdict"]
    assert verdict["word"] == "B is better"
    assert verdict["b"] == pytest.approx(-report["figures"]["bits_per_byte"])
    assert 0 < report["figures"]["bits_per_byte"] < 8
    assert report["memorised"]["hits"] <= report["memorised"]["tried"] <= 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "nowhere"}, r"\$\.evaluate\.data: .*nowhere has no dataset.json"),
        ({"slices": ["shop"]}, r'\$\.evaluate\.data: .* has no column "shop", only label, text'),
        ({"model": "nowhere"}, r"\$\.evaluate\.model: no such folder or file of predictions"),
        ({"against": ["vadre"]}, r"against\[0\]: no such folder .* nor one of majority, tfidf-"),
        ({"memorised": 3}, r"\$\.evaluate\.memorised: the task text-classification has no use"),
        ({"task": "causal-lm", "robustness": ["case"]}, r"\$\.evaluate\.robustness: the task"),
        ({"task": "causal-lm", "against": ["majority"]}, "majority says classes; the task is"),
        ({"model": "artifact:a b"}, r"after artifact: expected NAME"),
    ],
)
def test_what_is_off_is_said_at_submit(
    tmp_path: Path, texts: Path, trained: Path, change: dict[str, Any], message: str
) -> None:
    table = {"task": "text-classification", "data": str(texts), "model": str(trained / "model")}
    with pytest.raises(SpecError, match=message):
        request(validate({"kind": "evaluate", "evaluate": table | change}), tmp_path)


def test_a_pickle_is_refused_by_name(tmp_path: Path, texts: Path, trained: Path) -> None:
    shutil.copytree(trained / "model", tmp_path / "model")
    (tmp_path / "model" / "extra.bin").write_bytes(b"x")
    table = {"task": "text-classification", "data": str(texts), "model": "model"}
    with pytest.raises(SpecError, match=r"\$\.evaluate\.model: .*extra.bin: may be a pickle"):
        request(validate({"kind": "evaluate", "evaluate": table}), tmp_path)


def refused(place: Path, /, **table: Any) -> str:
    ended = one_rank(prepared(place, "evaluate", table), "evaluate")
    assert ended.returncode == 2, ended.stderr
    assert not (place / "report").exists()
    return ended.stderr


def test_labels_that_the_model_does_not_know_are_named(tmp_path: Path, trained: Path) -> None:
    parts: dict[str, Rows] = {"test": [("some text", "fine"), ("other text", "good")]}
    data = write_dataset(tmp_path / "other", "text", parts, ["fine", "good"])
    told = refused(
        tmp_path / "a1",
        task="text-classification",
        data=str(data),
        model=str(trained / "model"),
    )
    assert told.endswith(
        '$.evaluate.model: does not know the label "fine" of the data; it knows bad, good\n'
    )


def test_predictions_of_other_data_are_refused(tmp_path: Path, trained: Path) -> None:
    parts: dict[str, Rows] = {"test": [("some text", "bad"), ("other text", "good")]}
    data = write_dataset(tmp_path / "other", "text", parts, ["bad", "good"])
    told = refused(
        tmp_path / "a1",
        task="text-classification",
        data=str(data),
        model=str(trained / "predictions.jsonl"),
    )
    assert "says nothing of 2 of the 2 rows" in told


def test_damaged_weights_are_named(tmp_path: Path, texts: Path, trained: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(trained / "model", tmp_path / "model")
    place = tmp_path / "model" / "model.safetensors"
    weights = load_file(place)
    weights["classifier.bias"] = torch.full_like(weights["classifier.bias"], float("nan"))
    save_file(weights, place, {"format": "pt"})
    told = refused(
        tmp_path / "a1",
        task="text-classification",
        data=str(texts),
        model=str(tmp_path / "model"),
    )
    assert "model says NaN of row 1; its weights are damaged" in told
