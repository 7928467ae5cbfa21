"""The callback under a real Trainer."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Trainer, TrainingArguments
from transformers.models.gpt2 import GPT2Config, GPT2LMHeadModel

from llmos.engine.callback import LlmosCallback
from llmos.engine.progress import Progress

STEPS = 6


class Words(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        tokens = torch.arange(index, index + 8) % 11
        return {"input_ids": tokens, "labels": tokens}


def trainer(tmp_path: Path, callback: LlmosCallback) -> Trainer:
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=11, n_positions=8, n_embd=8, n_layer=1, n_head=1, bos_token_id=0)
    )
    arguments = TrainingArguments(
        output_dir=str(tmp_path / "out"),
        max_steps=STEPS,
        per_device_train_batch_size=2,
        logging_steps=2,
        eval_strategy="steps",
        eval_steps=3,
        save_steps=3,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
        include_num_input_tokens_seen="all",
    )
    return Trainer(
        model, arguments, train_dataset=Words(), eval_dataset=Words(), callbacks=[callback]
    )


def said(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_trainer_tells_its_steps_phases_and_results(tmp_path: Path) -> None:
    path = tmp_path / "progress" / "rank-0.jsonl"
    progress = Progress(path)
    progress.period = 0
    trainer(tmp_path, LlmosCallback(progress)).train()
    lines = said(path)
    phases = [line["phase"] for line in lines if line["what"] == "phase"]
    assert phases == ["train", "evaluate", "save", "train", "evaluate", "save"]
    steps = [line for line in lines if line["what"] == "metric" and "dt" in line]
    assert [line["step"] for line in steps] == list(range(1, STEPS + 1))
    for line in steps:
        assert line["steps"] == STEPS
        assert line["tokens"] == 16
        assert 0 < line["t_data"] < line["dt"] < 60
        assert ("loss" in line) == (line["step"] % 2 == 0)
        assert line.keys() >= ({"grad_norm", "learning_rate"} if line["step"] % 2 == 0 else set())
    evaluations = [line["step"] for line in lines if "eval_loss" in line]
    assert evaluations == [3, 6]
    results = {line["name"]: line["value"] for line in lines if line["what"] == "result"}
    assert results.keys() >= {"train_loss", "train_runtime", "eval_loss"}
    artifacts = [line for line in lines if line["what"] == "artifact"]
    assert [Path(line["path"]).name for line in artifacts] == ["checkpoint-3", "checkpoint-6"]
    assert all(Path(line["path"]).is_dir() for line in artifacts)


def test_an_evaluation_by_itself_has_results(tmp_path: Path) -> None:
    path = tmp_path / "progress" / "rank-0.jsonl"
    trainer(tmp_path, LlmosCallback(Progress(path))).evaluate()
    lines = said(path)
    assert lines[0]["phase"] == "evaluate"
    assert "eval_loss" in {line.get("name") for line in lines}


def test_outside_llmos_it_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLMOS_TASK", raising=False)
    callback = LlmosCallback()
    before = dict(vars(callback))
    trainer(tmp_path, callback).train()
    assert vars(callback) == before
