"""A training run through the engine's door: one rank, two ranks, mistakes, and a stop."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import llmos.engine
from llmos.engine.specs import job_request

RANK = Path(llmos.engine.__path__[0], "rank.py")
SMALL = [
    "train.steps=6",
    "train.batch=4",
    "train.sample=8",
    "train.tokenizer.vocabulary=300",
    "train.model.layers=1",
    "train.model.width=32",
    "train.model.heads=2",
    "train.model.context=32",
]


def prepared(task: Path, *overrides: str) -> dict[str, str]:
    """A task folder as an agent makes it; the environment of its ranks."""
    task.mkdir()
    request = job_request("@train-text", [*SMALL, *overrides])
    (task / "spec.json").write_text(json.dumps(request.spec))
    return os.environ | {"LLMOS_TASK": str(task), "LLMOS_SPEC": str(task / "spec.json")}


def one_rank(environment: dict[str, str], kind: str = "train") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llmos.engine", kind],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=environment.get("LLMOS_TASK", "/"),
    )


def said(task: Path, rank: int = 0) -> list[dict[str, Any]]:
    path = task / "progress" / f"rank-{rank}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def results(task: Path) -> dict[str, float]:
    return {line["name"]: line["value"] for line in said(task) if line["what"] == "result"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    task = tmp_path_factory.mktemp("one") / "a1"
    ended = one_rank(prepared(task))
    assert ended.returncode == 0, ended.stderr
    (task / "log").write_text(ended.stdout)
    return task


def test_it_reports_what_it_came_to(trained: Path) -> None:
    figures = results(trained)
    assert figures.keys() == {"held_out_perplexity", "bigram_perplexity", "unigram_perplexity"}
    assert all(math.isfinite(figure) and figure > 1 for figure in figures.values())
    assert figures["bigram_perplexity"] < figures["unigram_perplexity"]
    log = (trained / "log").read_text()
    assert f"{figures['held_out_perplexity']:.1f}" in log
    assert "a sample of what it writes" in log


def test_it_says_each_step_and_phase(trained: Path) -> None:
    lines = said(trained)
    last = [line for line in lines if line["what"] == "metric"][-1]
    assert (last["step"], last["steps"], last["tokens"]) == (6, 6, 4 * 32)
    assert {"loss", "grad_norm", "learning_rate", "dt", "t_data"} < last.keys()
    assert [line["phase"] for line in lines if line["what"] == "phase"] == [
        "starting", "preparing text", "training", "evaluating", "saving", "done",
    ]  # fmt: skip


def test_the_saved_model_loads_in_transformers_and_gives_the_same_figure(trained: Path) -> None:
    from accelerate import Accelerator
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.models.gpt2.modeling_gpt2 import GPT2LMHeadModel

    from llmos.engine.train.corpus import load
    from llmos.engine.train.evaluate import perplexity

    (made,) = [line for line in said(trained) if line["what"] == "artifact"]
    assert made == {"what": "artifact", "name": "model", "path": str(trained / "model")}
    assert {path.suffix for path in Path(made["path"]).iterdir()} == {".json", ".safetensors"}
    model = AutoModelForCausalLM.from_pretrained(made["path"])
    tokenizer = AutoTokenizer.from_pretrained(made["path"])
    corpus = load(trained / "data")
    text = 'The "while" statement, häh?\n    indented'
    assert isinstance(model, GPT2LMHeadModel)
    assert tokenizer(text)["input_ids"] == corpus.tokenizer.encode(text).ids
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    figure = perplexity(model, corpus.held_out, Accelerator(cpu=True))
    assert figure == pytest.approx(results(trained)["held_out_perplexity"], rel=0.02)


def test_two_ranks_train_one_model(tmp_path: Path) -> None:
    task = tmp_path / "a1"
    environment = prepared(task)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    launcher = ["-m", "torch.distributed.run", "--nnodes", "1", "--nproc-per-node", "2"]
    address = ["--master-addr", "127.0.0.1", "--master-port", port, "--max-restarts", "0"]
    ended = subprocess.run(
        [sys.executable, *launcher, *address, str(RANK), "-m", "llmos.engine", "train"],
        env=environment,
        cwd=task,
        capture_output=True,
        text=True,
        timeout=120,
    )
    logs = [(task / "logs" / f"rank-{rank}.log").read_text() for rank in (0, 1)]
    assert ended.returncode == 0, logs
    assert "2 ranks on cpu" in logs[0]
    assert (task / "model" / "model.safetensors").is_file()
    assert len(results(task)) == 3
    last = [[line for line in said(task, rank) if line["what"] == "metric"][-1] for rank in (0, 1)]
    assert [line["tokens"] for line in last] == [4 * 32, 4 * 32]
    # Other text in each rank, the same gradient in both.
    assert last[0]["loss"] != last[1]["loss"]
    assert last[0]["grad_norm"] == pytest.approx(last[1]["grad_norm"])


def test_a_stop_leaves_no_half_made_model(tmp_path: Path) -> None:
    task = tmp_path / "a1"
    with subprocess.Popen(
        [sys.executable, "-m", "llmos.engine", "train"],
        env=prepared(task, "train.steps=1000000"),
        cwd=task,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        wait_for_step(task)
        process.terminate()
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert complaint == "stopped: asked by SIGTERM\n"
    assert sorted(path.name for path in task.iterdir()) == ["data", "progress", "spec.json"]


@pytest.mark.parametrize(
    ("change", "kind", "code", "message"),
    [
        ({"LLMOS_SPEC": ""}, "train", 2, "LLMOS_SPEC names no spec"),
        ({}, "trian", 2, 'KIND: unknown kind "trian", did you mean "train"?'),
        ({}, "command", 2, 'expected "command", got "train"'),
        ({"LLMOS_SPEC": "/absent/spec.json"}, "train", 2, "/absent/spec.json: no such file"),
    ],
)
def test_a_mistake_at_the_door_is_one_line(
    tmp_path: Path, change: dict[str, str], kind: str, code: int, message: str
) -> None:
    ended = one_rank(prepared(tmp_path / "a1") | change, kind)
    assert ended.returncode == code
    assert message in ended.stderr
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1


def test_text_that_is_gone_since_the_submit_is_one_line(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("here for now")
    environment = prepared(tmp_path / "a1", f"train.data.source={text}")
    text.unlink()
    ended = one_rank(environment)
    assert ended.returncode == 2
    assert ended.stderr == f"error: $.train.data.source: no such file: {text}\n"
    assert not (tmp_path / "a1" / "model").exists()


def wait_for_step(task: Path) -> None:
    until = time.monotonic() + 90
    path = task / "progress" / "rank-0.jsonl"
    while time.monotonic() < until:
        if path.exists() and '"metric"' in path.read_text():
            return
        time.sleep(0.05)
    raise AssertionError("no step was made")
