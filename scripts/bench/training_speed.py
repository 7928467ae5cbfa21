"""Training throughput beside a bare loop, accelerate's loop, and transformers' Trainer.

    python scripts/bench/training_speed.py [--rounds 7] [--steps 150] [--ranks 1 2]

A GPT of 4 layers, 256 wide, on windows of 128 tokens, 1,024 tokens a step. All get the same model,
optimizer, schedule, clipping, precision, threads and flushing of denormal numbers, and windows of
the same text. llmos runs its own program, `python -m llmos.engine train`, with all that it says and
watches. In each round every program runs once, in random order; the clock runs from step 30 to the
last. A ratio is of one round; the interval of their median is bootstrapped.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec

from llmos.agents.node.task.rankcommand import free_port
from llmos.engine.specs import request, validate
from llmos.engine.train.corpus import prepare, save
from llmos.engine.train.spec import Train, TrainSpec
from llmos.scripts.bench.training_loops import WARM_UP

OURS: Final = "llmos"
PROGRAMS: Final = (OURS, "bare loop", "accelerate", "Trainer")
LOOPS: Final = Path(__file__).with_name("training_loops.py")
RESAMPLES: Final = 10_000
FLOOR: Final = 0.97
"""The least that the interval may reach where it holds 1.00."""


def main() -> None:
    """Print a markdown table for each number of ranks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    order = random.Random(given.seed)
    spec = specified(given.steps)
    with tempfile.TemporaryDirectory(prefix="training-") as folder:
        save(prepare(spec.train), Path(folder) / "corpus")
        for ranks in given.ranks:
            rates: dict[str, list[float]] = {name: [] for name in PROGRAMS}
            for at in range(given.rounds):
                print(f"{ranks} ranks, round {at + 1} of {given.rounds}", file=sys.stderr)
                for name in order.sample(PROGRAMS, len(PROGRAMS)):
                    rates[name].append(rate(name, spec, ranks, Path(folder)))
            show(rates, ranks, spec.train)


def specified(steps: int) -> TrainSpec:
    """The run, as a spec."""
    table = {
        "data": {"source": "module:pydoc_data.topics"},
        "model": {"layers": 4, "width": 256, "heads": 4, "context": 128},
        "batch": 8,
        "steps": steps,
        "sample": 0,
    }
    spec = validate({"kind": "train", "train": table})
    assert isinstance(spec, TrainSpec)
    return spec


def rate(name: str, spec: TrainSpec, ranks: int, folder: Path) -> float:
    """Tokens a second of one run."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        out = Path(place) / "a1"
        out.mkdir()
        if name == OURS:
            asked = request(spec, out)
            (out / "spec.json").write_text(json.dumps(asked.spec))
            words = ["-m", "llmos.engine", "train"]
        else:
            words = [str(LOOPS), name, str(folder / "corpus"), str(out / "seconds.json")]
        run(words, ranks, out, spec.train)
        seconds = ours(out) if name == OURS else json.loads((out / "seconds.json").read_text())
        steps = spec.train.steps - WARM_UP
        took = seconds["seconds"] / steps
        return spec.train.batch * spec.train.model.context / took


def run(words: list[str], ranks: int, out: Path, train: Train) -> None:
    """All ranks, to their good end."""
    around = {name: text for name, text in os.environ.items() if name != "LLMOS_ARTIFACTS"}
    around |= {"SPEC": msgspec.json.encode(train).decode(), "TMPDIR": str(out)}
    around |= {"LLMOS_TASK": str(out), "LLMOS_SPEC": str(out / "spec.json")}
    around |= {"OMP_NUM_THREADS": str(max(len(os.sched_getaffinity(0)) // ranks, 1))}
    around |= {"GLOO_SOCKET_IFNAME": "lo", "LOCAL_WORLD_SIZE": str(ranks)}
    if ranks > 1:
        around |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        around |= {"WORLD_SIZE": str(ranks)}
    started = []
    for rank in range(ranks):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank)} if ranks > 1 else {}
        with (out / f"log-{rank}").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *words], env=around | own, stdout=log, stderr=log
            )
        started.append(process)
    codes = [process.wait() for process in started]
    if any(codes):
        sys.exit(f"{words}: {(out / 'log-0').read_text()[-3000:]}")


def ours(out: Path) -> dict[str, float]:
    """The seconds from the end of the warm-up to the last step, by rank 0's own lines. They are
    written some times a second: those nearest to the two steps tell of the steps between them."""
    lines = map(json.loads, (out / "progress" / "rank-0.jsonl").read_text().splitlines())
    steps = [line for line in lines if line["what"] == "metric" and "dt" in line]
    begin = next(line for line in steps if line["step"] >= WARM_UP)
    end = steps[-1]
    per_step = (end["t"] - begin["t"]) / (end["step"] - begin["step"])
    return {"seconds": per_step * (end["steps"] - WARM_UP)}


def show(rates: dict[str, list[float]], ranks: int, train: Train) -> None:
    """A row for each program, and whether the rule holds."""
    print(f"\n{ranks} rank{'s' if ranks > 1 else ''}, {train.steps} steps, tokens a second\n")
    print("| | median (least–greatest) | llmos against it | 95 % |\n|---|---|---|---|")
    for name in PROGRAMS:
        own = rates[name]
        told = f"{median(own):,.0f} ({min(own):,.0f}–{max(own):,.0f})"
        if name == OURS:
            print(f"| {name} | {told} | | |")
            continue
        ratios = [a / b for a, b in zip(rates[OURS], own, strict=True)]
        low, high = interval(ratios)
        print(f"| {name} | {told} | {median(ratios):.3f} | {low:.3f} to {high:.3f} |", flush=True)
    ratios = [a / b for a, b in zip(rates[OURS], rates["bare loop"], strict=True)]
    low, high = interval(ratios)
    met = median(ratios) >= 1 or (low <= 1 <= high and low >= FLOOR)
    print(f"\nat least 1.0 times a bare loop: {'met' if met else 'missed'}\n", flush=True)


def interval(ratios: list[float]) -> tuple[float, float]:
    """The bootstrapped 95 % interval of the median."""
    chance = random.Random(0)
    drawn: list[Any] = sorted(
        median(chance.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES)
    )
    return drawn[round(0.025 * RESAMPLES)], drawn[round(0.975 * RESAMPLES) - 1]


if __name__ == "__main__":
    main()
