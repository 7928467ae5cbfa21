"""Raw files made a dataset by the program itself: one rank, two, a killed one, and bad data."""

import json
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from xxhash import xxh3_128_hexdigest

from llmos.agents.errors import SpecError
from llmos.engine.artifacts.manifest import manifest_of
from llmos.engine.prepare.dataset import read_dataset, read_rows
from llmos.tests.engine.prepare.conftest import Task

Prepared = Callable[..., Task]
Refused = Callable[..., str]

WORDS = ["amber", "basil", "cedar", "delta", "ember", "fjord", "grove"]
WORDS += ["heron", "inlet", "jetty", "knoll", "larch", "maple", "north"]


def sentence(number: int) -> str:
    picked = [WORDS[(number * 31 + at * at * 7 + number // 14 * at) % 14] for at in range(20)]
    return f"{number} " + " ".join(picked)


def rows_of(task: Task, *columns: str) -> dict[str, list[tuple[Any, ...]]]:
    return {
        part: [tuple(row[name] for name in columns) for row in read_rows(task.dataset, part)]
        for part in ("train", "valid", "test")
    }


@pytest.fixture
def mails(tmp_path: Path) -> dict[str, Any]:
    """A source with labels, duplicates, broken rows and personal data."""
    lines = [
        json.dumps({"body": sentence(n), "class": "ham" if n % 4 else "spam", "user": f"u{n % 9}"})
        for n in range(400)
    ]
    lines[7] = '{"body": '
    lines[8] = json.dumps({"body": "  ", "class": "ham"})
    lines[9] = json.dumps({"body": "no label here"})
    lines[10] = json.dumps({"body": sentence(11), "class": "spam", "user": "u1"})
    lines[12] = json.dumps({"body": sentence(13) + " knot", "class": "ham", "user": "u1"})
    lines[14] = json.dumps({"body": "mail jo@example.org soon", "class": "ham", "user": "u2"})
    (tmp_path / "mails.jsonl").write_text("\n".join(lines))
    columns = {"text": "body", "label": "class", "user": "user"}
    return {"name": "mails", "path": "mails.jsonl", "licence": "CC0-1.0", "columns": columns}


ALL = ["normalise", "personal", "exact", "near"]


def test_a_dataset_is_made_by_the_contract(prepared: Prepared, mails: dict[str, Any]) -> None:
    task = prepared(sources=[mails], steps=ALL, near={"threshold": 0.7, "words": 1})
    dataset = read_dataset(task.dataset)
    assert dataset.label == "label"
    assert dataset.labels == ["ham", "spam"]
    assert list(dataset.columns) == ["id", "source", "place", "text", "label", "user"]
    rows = [row for part in dataset.parts for row in read_rows(task.dataset, part)]
    assert sum(part.rows for part in dataset.parts.values()) == len(rows)
    for row in rows:
        assert row["id"] == xxh3_128_hexdigest(row["text"].encode())[:16]
        assert row["source"] == "mails"
        assert re.fullmatch(r"mails\.jsonl:\d+", row["place"])
        assert row["label"] in ("ham", "spam")
    assert {row["text"] for row in rows if row["place"] == "mails.jsonl:15"} == {
        "mail <EMAIL> soon"
    }
    assert len({row["id"] for row in rows}) == len(rows)


def test_the_report_tells_each_step_and_what_was_kept_aside(
    prepared: Prepared, mails: dict[str, Any]
) -> None:
    task = prepared(sources=[mails], steps=ALL)
    report = task.report
    steps = {step["name"]: step for step in report["steps"]}
    assert list(steps) == ["read", *ALL, "split"]
    assert (steps["read"]["before"], steps["read"]["after"]) == (400, 397)
    assert steps["personal"]["counts"] == {"email": 1}
    assert "jo@example.org" not in json.dumps(report)
    assert steps["exact"]["before"] - steps["exact"]["after"] == 1
    assert steps["exact"]["samples"][0]["why"] == "the same as mails.jsonl:11"
    assert report["labels_conflict"] == 1
    aside = [json.loads(line) for line in (task.dataset / "aside.jsonl").read_text().splitlines()]
    assert [row["place"] for row in aside] == [f"mails.jsonl:{n}" for n in (8, 9, 10)]
    assert report["aside"]["rows"] == 3
    (source,) = report["sources"]
    assert (source["licence"], source["rows"], source["aside"]) == ("CC0-1.0", 397, 3)
    page = (task.dataset / "report.html").read_text()
    assert "CC0-1.0" in page
    assert not re.search(r"<script|<img|https?://", page)


def test_progress_is_told_by_the_shard(prepared: Prepared, mails: dict[str, Any]) -> None:
    task = prepared(sources=[mails], steps=ALL, shard=4096)
    metrics = [line for line in task.lines() if line["what"] == "metric"]
    last = metrics[-1]
    assert last["step"] == last["steps"] > 1
    assert (last["rows"], last["aside"], last["normalise_in"]) == (397, 3, 397)
    phases = [line["phase"] for line in task.lines() if line["what"] == "phase"]
    assert phases == ["planning", "cleaning", "judging", "writing", "done"]
    (artifact,) = [line for line in task.lines() if line["what"] == "artifact"]
    assert artifact["path"] == str(task.dataset)


def test_two_ranks_make_the_same_dataset_as_one(tmp_path: Path, mails: dict[str, Any]) -> None:
    table = {"sources": [mails], "steps": ALL, "shard": 4096}
    alone = Task(tmp_path, table, 1).run()
    # Of another job, which takes over nothing.
    both = Task(tmp_path, {**table, "dataset": "other"}, 2).run(ranks=2)
    assert both.results["shards_again"] == 0
    columns = ("id", "text", "label", "place")
    assert rows_of(both, *columns) == rows_of(alone, *columns)
    assert [line for line in both.lines(1) if line["what"] == "metric"]


def test_markup_of_the_data_is_no_markup_of_the_report(tmp_path: Path, prepared: Prepared) -> None:
    evil = "<script>alert(1)</script>"
    lines = [json.dumps({"text": f"{evil} {n // 2}"}) for n in range(20)]
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, evil]))
    task = prepared(sources=[{"name": "a", "path": "a.jsonl"}])
    page = (task.dataset / "report.html").read_text()
    assert "&lt;script&gt;" in page
    assert "<script" not in page


def test_a_killed_rank_is_no_loss(tmp_path: Path, mails: dict[str, Any]) -> None:
    """What it had done is taken over by the next attempt, which gives what a whole one gives."""
    text = (tmp_path / "mails.jsonl").read_text()
    (tmp_path / "mails.jsonl").write_text((text + "\n") * 100)
    table = {"sources": [mails], "steps": ALL, "shard": 1 << 20}
    killed = Task(tmp_path, table, 1)
    process = killed.start()
    shards = killed.folder / "prepare" / "shards"
    patience = time.monotonic() + 60
    while not list(shards.glob("*.json")) and time.monotonic() < patience:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not killed.dataset.exists()
    done = len(list(shards.glob("*.json")))
    again = Task(tmp_path, table, 2).run()
    assert again.results["shards_again"] == done > 0
    assert again.report["shards"] > done
    whole = Task(
        tmp_path / "other", {**table, "sources": [{**mails, "path": str(tmp_path / "mails.jsonl")}]}
    ).run()
    columns = ("id", "text", "label", "place")
    assert rows_of(again, *columns) == rows_of(whole, *columns)


def test_a_group_is_never_divided(prepared: Prepared, mails: dict[str, Any]) -> None:
    split = {"by": "group", "group": "user", "valid": 0.3, "test": 0.3}
    task = prepared(sources=[mails], split=split)
    users = [{user for (user,) in rows} for rows in rows_of(task, "user").values()]
    assert sum(map(len, users)) == len(set.union(*users))


def test_balance_and_weight_are_of_the_train_part_only(
    tmp_path: Path, prepared: Prepared, mails: dict[str, Any]
) -> None:
    (tmp_path / "more").mkdir()
    for n in range(40):
        (tmp_path / "more" / f"{n}.txt").write_text(sentence(1000 + n))
    more = {"name": "more", "path": "more", "label_from": "folder", "weight": 3}
    task = prepared(sources=[mails, more], steps=["balance"], split={"by": "stratified"})
    rows = rows_of(task, "source", "label")
    train = rows["train"]
    assert train.count(("mails", "ham")) == train.count(("mails", "spam")) == 32
    assert train.count(("more", "more")) == 3 * 32
    assert rows["test"].count(("more", "more")) == 4
    assert rows["test"].count(("mails", "ham")) > rows["test"].count(("mails", "spam")) > 4


@pytest.mark.parametrize(
    ("content", "more", "message"),
    [
        ("", {}, "no row is left; the files hold none"),
        ('{"text": 3}\n', {}, r"none could be used: a\.jsonl:1 column text is no text"),
        ('{"text": "a b"}\n', {"steps": ["quality"]}, r"step quality dropped 1 \(too few words\)"),
    ],
)
def test_data_that_leave_no_row_are_refused_with_the_reason(
    tmp_path: Path, refused: Refused, content: str, more: dict[str, Any], message: str
) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    assert re.search(message, refused(sources=[{"name": "a", "path": "a.jsonl"}], **more))


@pytest.mark.parametrize("more", [{"steps": ["balance"]}, {"split": {"by": "stratified"}}])
def test_one_class_is_refused_where_two_are_needed(
    tmp_path: Path, refused: Refused, more: dict[str, Any]
) -> None:
    lines = [json.dumps({"text": sentence(n), "label": "only"}) for n in range(30)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    columns = {"label": "label"}
    said = refused(sources=[{"name": "a", "path": "a.jsonl", "columns": columns}], **more)
    assert 'needs two labels or more, the data has only "only" (30 rows)' in said


def test_a_column_that_one_of_many_files_lacks_is_refused(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "a.csv").write_text("text\nx\n")
    (tmp_path / "b.csv").write_text("txt\nx\n")
    assert 'b.csv has no column "text", did you mean "txt"?' in refused(
        sources=[{"name": "a", "path": "*.csv"}]
    )


def test_equal_data_by_equal_steps_are_the_same_artifact(
    tmp_path: Path, mails: dict[str, Any]
) -> None:
    path = str(tmp_path / "mails.jsonl")
    table = {"sources": [mails | {"path": path}], "steps": ALL, "shard": 4096}
    digests = {
        manifest_of(Task(tmp_path / "run" / name, table).run(ranks).dataset).digest
        for name, ranks in (("one", 1), ("two", 2))
    }
    assert len(digests) == 1


def test_published_parts_are_kept_and_rules_label(prepared: Prepared, tmp_path: Path) -> None:
    for name in ("tests", "rest"):
        lines = [json.dumps({"text": sentence(n)}) for n in range(40)]
        lines += [json.dumps({"text": f"{name} only {sentence(n)}"}) for n in range(100, 130)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    rules = [{"label": "amber", "pattern": "amber"}, {"label": "basil", "pattern": "basil"}]
    source = {"label_from": "rules", "rules": rules}
    task = prepared(
        sources=[
            {"name": "tests", "path": "tests.jsonl", "part": "test", **source},
            {"name": "rest", "path": "rest.jsonl", **source},
        ],
        steps=["exact"],
        split={"valid": 0.2, "test": 0.3},
    )
    rows = rows_of(task, "text", "label", "source")
    published = {text for text, _, source in rows["test"] if source == "tests"}
    assert not [row for part in ("train", "valid") for row in rows[part] if row[2] == "tests"]
    assert not published & {text for part in rows.values() for text, _, s in part if s == "rest"}
    assert {label for part in rows.values() for _, label, _ in part} == {"amber", "basil"}
    assert all(label in text for part in rows.values() for text, label, _ in part)
    assert [row for row in rows["test"] if row[2] == "rest"], "the rest is divided"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"label_from": "rules"}, 'expected some exactly if label_from is "rules"'),
        (
            {"label_from": "rules", "rules": [{"label": "a", "pattern": "("}]},
            r"\$\.prepare\.sources\[0\]\.rules\[0\]\.pattern: missing \)",
        ),
    ],
)
def test_rules_that_are_off_are_named(tmp_path: Path, source: dict[str, Any], message: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}')
    with pytest.raises(SpecError, match=message):
        Task(tmp_path, {"sources": [{"name": "a", "path": "a.jsonl", **source}]})
