"""@sentiment with several seeds through the front door: does MiniLM beat its baselines each time?

    python scripts/bench/sentiment_seeds.py [--seeds 3]

Each seed is the whole example, raw rows to verdict, by `llmos run` on a state folder of its own.
The seed draws the classifier's new head, the order of the data and dropout.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Print a markdown table, a row for each seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print("| seed | MiniLM | TF-IDF | | VADER | | macro F1 | seconds |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    accuracies = []
    for seed in range(options.seeds):
        began = time.monotonic()
        report = judged(seed)
        took = time.monotonic() - began
        accuracies.append(report["figures"]["accuracy"])
        print(row(seed, report, took), flush=True)
    spread = f"{min(accuracies):.3f}–{max(accuracies):.3f}"
    print(f"\naccuracy: median {statistics.median(accuracies):.3f} ({spread})")


def judged(seed: int) -> dict[str, Any]:
    """The report of one run."""
    with tempfile.TemporaryDirectory(prefix="sentiment-") as folder:
        around = {name: text for name, text in os.environ.items() if name != "LLMOS_ARTIFACTS"}
        words = ["run", "@sentiment", "--set", f"sentiment-model.train.seed={seed}"]
        words += ["--set", "sentiment-verdict.evaluate.robustness=[]"]
        done = subprocess.run(
            [sys.executable, "-m", "llmos", *words],
            env=around | {"LLMOS_STATE": folder},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(f"seed {seed}: {done.stdout}\n{done.stderr}")
        report = Path(folder, "run", "3", "a1", "report", "report.json")
        found: dict[str, Any] = json.loads(report.read_text())
        return found


def row(seed: int, report: dict[str, Any], seconds: float) -> str:
    """Accuracies, and the verdicts on the baselines with the interval of the difference."""
    cells = [str(seed), f"{report['figures']['accuracy']:.3f}"]
    for name in ("tfidf-logistic", "vader"):
        (one,) = [each for each in report["compared"] if each["figures"]["name"] == name]
        verdict = one["verdict"]
        low, high = 100 * verdict["low"], 100 * verdict["high"]
        cells += [f"{verdict['a']:.3f}", f"{verdict['word']} ({low:+.1f} to {high:+.1f})"]
    cells += [f"{report['figures']['macro_f1']:.3f}", f"{seconds:.0f}"]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
