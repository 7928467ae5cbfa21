"""Progress lines: what is written, how often, and what a full disk costs."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llmos.engine.progress import FIRST_RANK_PERIOD, OTHER_RANK_PERIOD, Progress, own_progress


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_kind_of_line_carries_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "progress" / "rank-0.jsonl"
    progress = Progress(path)
    progress.phase("training")
    progress.metric(1, 10, loss=3.5, tokens=64)
    progress.result("held_out_perplexity", 12.5)
    progress.artifact("model", tmp_path / "model")
    progress.close()
    phase, metric, result, artifact = lines(path)
    assert phase["phase"] == "training"
    assert phase["t"] == pytest.approx(metric.pop("t"), abs=60)
    assert metric == {"what": "metric", "step": 1, "steps": 10, "loss": 3.5, "tokens": 64}
    assert result == {"what": "result", "name": "held_out_perplexity", "value": 12.5}
    assert artifact == {"what": "artifact", "name": "model", "path": str(tmp_path / "model")}


def test_metrics_are_thinned_and_the_last_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "rank-1.jsonl"
    progress = Progress(path, rank=1)
    progress.period = 3600
    for step in range(1, 1001):
        progress.metric(step)
    progress.phase("evaluating")
    progress.close()
    assert [line.get("step", line.get("phase")) for line in lines(path)] == [1, 1000, "evaluating"]


def test_rank_0_writes_20_times_as_often(tmp_path: Path) -> None:
    assert Progress(None, rank=0).period == FIRST_RANK_PERIOD
    assert Progress(None, rank=7).period == OTHER_RANK_PERIOD


def test_every_step_is_written_when_time_allows(tmp_path: Path) -> None:
    path = tmp_path / "rank-0.jsonl"
    progress = Progress(path)
    progress.period = 0
    for step in range(50):
        progress.metric(step)
    assert [line["step"] for line in lines(path)] == list(range(50))


def test_what_is_no_number_is_null_and_what_was_not_measured_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "rank-0.jsonl"
    progress = Progress(path)
    progress.metric(1, loss=math.nan, grad_norm=math.inf)
    (line,) = lines(path)
    assert line["loss"] is None
    assert line["grad_norm"] is None
    assert line.keys() == {"what", "t", "step", "loss", "grad_norm"}


def test_a_disk_that_takes_nothing_costs_lines_and_not_the_job(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = Progress(Path("/dev/full"))
    progress.phase("training")
    progress.phase("evaluating")
    progress.close()
    assert capsys.readouterr().err.count("progress is no longer written") == 1


def test_without_a_task_folder_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLMOS_TASK", raising=False)
    progress = own_progress()
    progress.metric(1, loss=1.0)
    progress.close()


def test_a_rank_finds_its_own_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LLMOS_TASK", str(tmp_path))
    monkeypatch.setenv("RANK", "3")
    progress = own_progress()
    progress.phase("training")
    assert progress.period == OTHER_RANK_PERIOD
    assert len(lines(tmp_path / "progress" / "rank-3.jsonl")) == 1


def test_a_figure_that_is_measured_seldom_is_not_lost_to_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "rank-0.jsonl"
    progress = Progress(path)
    progress.period = 3600
    progress.metric(1)
    for step in range(2, 100):
        progress.metric(step, None, **({"loss": step / 2} if step % 10 == 0 else {}))
    progress.close()
    assert [(line["step"], line.get("loss")) for line in lines(path)] == [
        (1, None),
        (90, 45.0),
        (99, None),
    ]


def test_numbers_of_other_kinds_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "rank-0.jsonl"
    progress = Progress(path)
    values: dict[str, Any] = {"a": np.float32(0.5), "b": torch.tensor(2.5), "c": [1], "d": object()}
    progress.metric(1, **values, e=torch.zeros(2))  # type: ignore[arg-type]
    (line,) = lines(path)
    assert [line[name] for name in "abcde"] == [0.5, 2.5, None, None, None]


def test_a_folder_that_cannot_be_made_costs_lines_and_not_the_job(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "progress").write_text("")
    progress = Progress(tmp_path / "progress" / "rank-0.jsonl")
    progress.phase("training")
    progress.close()
    assert not progress.writes
    assert "progress is no longer written" in capsys.readouterr().err


def test_a_copy_of_the_file_is_enough(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parents[2] / "engine/progress.py", tmp_path / "figures.py")
    script = "import figures; figures.own_progress().metric(4, loss=2.5)"
    environment = {"LLMOS_TASK": str(tmp_path), "RANK": "2"}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)
    (line,) = lines(tmp_path / "progress" / "rank-2.jsonl")
    assert (line["step"], line["loss"]) == (4, 2.5)
