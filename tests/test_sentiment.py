"""From raw reviews to a verdict with one command, smaller than people run it."""

import json
import os
import subprocess
from pathlib import Path

from llmos.tests.conftest import FrontDoor

SMALLER = (
    "sentiment-model.train.epochs=1",
    "sentiment-model.train.model.context=12",
    "sentiment-verdict.evaluate.context=12",
    'sentiment-verdict.evaluate.robustness=["case"]',
)
LIMIT = 400


def test_raw_rows_become_a_verdict_with_its_lineage(llmos: FrontDoor) -> None:
    llmos.environment.pop("LLMOS_ARTIFACTS", None)
    words = [word for setting in SMALLER for word in ("--set", setting)]
    done = subprocess.run(
        llmos.command("run", "@sentiment", *words),
        env=llmos.environment | {"PYTHONWARNINGS": "ignore"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "vader: B is " in done.stdout or "vader: no difference" in done.stdout

    report = json.loads(llmos("artifact", "sentiment-report", "--json"))["artifact"]
    assert report["tags"].keys() >= {"against vader", "against tfidf-logistic"}
    assert 0.65 < report["metrics"]["accuracy"] < 0.9
    lineage = json.loads(llmos("artifact", "sentiment-report", "--lineage", "--json"))["lineage"]
    names = {one["digest"]: one["name"] for one in lineage["versions"]}
    edges = {(names[child], names.get(parent, "weights")) for child, parent, _ in lineage["edges"]}
    assert edges >= {
        ("sentiment-report", "sentiment-data"),
        ("sentiment-report", "sentiment-model"),
        ("sentiment-model", "sentiment-data"),
        ("sentiment-model", "weights"),
    }
    rows = json.loads(llmos("artifact", "sentiment-data", "--json"))["artifact"]["metrics"]
    assert rows["rows_test"] == 1000
    assert rows["rows_train"] < 3600, "what repeats the test part is dropped"
    folder = Path(llmos.state, "run", "3", "a1", "report")
    assert (folder / "report.html").stat().st_size > 5000
    assert os.listdir(Path(llmos.state, "run", "3", "inputs"))
