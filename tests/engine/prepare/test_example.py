"""Through the front door: the example, and a rank that is killed."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from llmos.engine.artifacts.store import Store
from llmos.engine.prepare.dataset import read_dataset, read_rows
from llmos.tests.conftest import FrontDoor


def test_the_example_registers_a_dataset(llmos: FrontDoor, tmp_path: Path) -> None:
    llmos.environment.pop("LLMOS_ARTIFACTS", None)
    said = llmos("run", "@prepare-text")
    assert "registered as python-texts" in said
    shown = json.loads(llmos("artifact", "python-texts", "--json"))["artifact"]
    assert (shown["kind"], shown["version"], shown["job"]) == ("dataset", 1, "1")
    assert shown["tags"] == {"licence": "PSF-2.0"}
    Store(shown["uri"]).fetch(shown["digest"], tmp_path / "out")
    dataset = read_dataset(tmp_path / "out")
    assert shown["metrics"]["rows_train"] == dataset.parts["train"].rows > 50
    assert "reference" in (dataset.labels or [])
    texts = {
        part: {row["text"] for row in read_rows(tmp_path / "out", part)} for part in dataset.parts
    }
    assert not texts["train"] & texts["test"]
    assert (tmp_path / "out" / "report.html").read_text().startswith("<!doctype html>")
    curves = json.loads(llmos("job", "1", "--json"))["job"]
    assert curves["results"]["rows_train"] == dataset.parts["train"].rows


def test_another_attempt_goes_on_from_the_shards_of_a_killed_rank(
    llmos: FrontDoor, tmp_path: Path
) -> None:
    words = [
        "the",
        "keeper",
        "walks",
        "with",
        "his",
        "lantern",
        "around",
        "a",
        "wall",
        "and",
        "sings",
    ]
    with (tmp_path / "raw.jsonl").open("w") as file:
        for n in range(60_000):
            text = " ".join([str(n), *words[n % 7 :], *words[: n % 11]])
            file.write(json.dumps({"text": text}) + "\n")
    (tmp_path / "spec.toml").write_text(
        f"""
        kind = "prepare"
        resources.ranks = 2
        retry = {{ max_attempts = 2, backoff = 0.1 }}
        [prepare]
        steps = ["normalise", "personal", "exact"]
        shard = {1 << 15}
        [[prepare.sources]]
        name = "raw"
        path = "{tmp_path / "raw.jsonl"}"
        """
    )
    running = llmos.start("run", str(tmp_path / "spec.toml"))
    attempt = llmos.state / "run" / "1" / "a1"
    _until(lambda: any(attempt.glob("prepare/shards/00001.json")))
    ranks = json.loads((attempt / "state.json").read_text())["ranks"]
    os.kill(next(rank["pid"] for rank in ranks if rank["rank"] == 1), signal.SIGKILL)
    said, errors = running.communicate(timeout=60)
    assert running.returncode == 0, errors
    assert "registered as dataset" in said
    report = json.loads((attempt.with_name("a2") / "dataset" / "report.json").read_text())
    results = json.loads(llmos("job", "1", "--json"))["job"]["results"]
    assert 0 < results["shards_again"] < report["shards"]
    assert report["after"]["rows"] == 60_000
    listed = json.loads(llmos("artifacts", "--json"))["artifacts"]
    assert [(one["name"], one["version"]) for one in listed] == [("dataset", 1)]


def _until(holds: Callable[[], bool]) -> None:
    patience = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < patience
        time.sleep(0.005)


def test_a_dataset_is_a_source_and_a_parent(llmos: FrontDoor, tmp_path: Path) -> None:
    llmos.environment.pop("LLMOS_ARTIFACTS", None)
    rows = [{"text": f"row {number} of some", "label": "ab"[number % 2]} for number in range(40)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "list.toml").write_text(
        """
        [[jobs]]
        kind = "prepare"
        name = "first"
        [jobs.prepare]
        dataset = "rows"
        [[jobs.prepare.sources]]
        name = "raw"
        path = "rows.jsonl"
        columns = { label = "label" }
        [[jobs]]
        kind = "prepare"
        name = "second"
        after = ["first"]
        [jobs.prepare]
        dataset = "fewer"
        split = { valid = 0.2, test = 0.2 }
        [[jobs.prepare.sources]]
        name = "rows"
        path = "artifact:rows"
        columns = { label = "label" }
        """
    )
    llmos("run", "list.toml", cwd=tmp_path)
    made = json.loads(llmos("artifact", "fewer", "--json"))["artifact"]
    first = json.loads(llmos("artifact", "rows", "--json"))["artifact"]
    assert made["parents"] == [{"digest": first["digest"], "role": "data"}]
    assert made["metrics"]["rows_read"] == 40
    report = (llmos.state / "run" / "2" / "a1" / "dataset" / "report.json").read_text()
    assert json.loads(report)["sources"][0]["paths"] == ["artifact:rows"]
