"""The example @digits through the front door, on one rank and on two; its model is registered."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from llmos.tests.conftest import FrontDoor

PATIENCE = 300
"""Seconds."""


@pytest.mark.parametrize("ranks", [1, 2])
def test_the_example_registers_a_model_that_reads_digits(llmos: "FrontDoor", ranks: int) -> None:
    options = [f"resources.ranks={ranks}", "train.epochs=6"]
    process = llmos.start("run", "@digits", *(word for o in options for word in ("--set", o)))
    said, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, (said, errors)
    assert "epoch 6  train loss" in said
    record = json.loads(llmos("job", "1", "--json"))["job"]
    assert record["results"]["test_accuracy"] > 0.5
    listed = {one["name"]: one for one in json.loads(llmos("artifacts", "--json"))["artifacts"]}
    model = listed["digits"]
    assert (model["kind"], model["version"], model["job"]) == ("model", 1, "1")
    assert model["metrics"]["test_accuracy"] == record["results"]["test_accuracy"]
    assert listed["digits-predictions"]["parents"][0]["digest"] == model["digest"]
    assert _right(record["artifacts"]) == pytest.approx(record["results"]["test_accuracy"])


def _right(artifacts: dict[str, Any]) -> float:
    """The share of the predictions that transformers, given the saved folder alone, makes right."""
    import torch
    from PIL import Image
    from transformers import AutoModelForImageClassification
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    from llmos.engine.train.labelled import digits
    from llmos.engine.train.spec import Data

    folder = Path(artifacts["model"])
    processor = ViTImageProcessorPil.from_pretrained(folder)
    model = AutoModelForImageClassification.from_pretrained(folder)
    test = digits(Data(source="sklearn:digits", held_out=0.1), 8).test
    images = [Image.fromarray(image) for image in test.values]
    with torch.inference_mode():
        chosen = model(**processor(images, return_tensors="pt")).logits.argmax(-1)
    told = [json.loads(line) for line in Path(artifacts["predictions"]).read_text().splitlines()]
    labels = [model.config.id2label[int(one)] for one in chosen]
    assert [one["id"] for one in told] == test.ids
    assert [one["predicted"] for one in told] == labels
    right = sum(one["label"] == label for one, label in zip(told, labels, strict=True))
    return float(right / len(labels))
