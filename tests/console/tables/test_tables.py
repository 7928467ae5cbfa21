"""What the grids show: GPUs, nodes, jobs, processes, from a store filled by frames."""

from typing import Any

import pytest

from llmos.agents.fleet.store import Store
from llmos.console import themes
from llmos.console.tables.gpus import GpuTable
from llmos.console.tables.jobs import JobTable
from llmos.console.tables.nodes import NodeTable
from llmos.console.tables.processes import ProcessTable
from llmos.console.widgets.glyphs import ASCII, UNICODE
from llmos.console.widgets.pen import Pen, width_of
from llmos.console.widgets.table import Table
from llmos.tests.console.fleets import NOW, STRANGER, TRAINER, Fleet, job

FAULTS = {0: "hot", 1: "lost", 2: "hung", 3: "slow", 4: "failed", 5: "absent"}
JOBS = (
    job("9", "queued", name="late", progress=job("x").progress.__class__(), started=None, gpus=[]),
    job("10", "failed", name="bad", cause="rank 1 exited with 1", ended=NOW - 5, gpus=[3]),
    job("11", name="good"),
)


def store_of(fleet: Fleet) -> Store:
    store = Store()
    for frame in fleet.frames():
        store.apply(frame)
    return store


def processes() -> ProcessTable:
    table = ProcessTable()
    table.show([TRAINER, STRANGER], NOW)
    return table


def tables() -> dict[str, Table]:
    store = store_of(Fleet(nodes=2, mig=True, faults=FAULTS, jobs=JOBS))
    silent = store_of(Fleet(silent=True, faults=dict.fromkeys(range(8), "absent")))
    return {
        "gpus": GpuTable(store),
        "gpus of one node": GpuTable(store, 1),
        "gpus without figures": GpuTable(silent),
        "nodes": NodeTable(store),
        "nodes without figures": NodeTable(silent),
        "jobs": JobTable(store.jobs, lambda: NOW),
        "processes": processes(),
    }


def shown(
    table: Table, key: str, sort: str = "", descending: bool = False, text: str = ""
) -> list[Any]:
    rows = table.rows(table.arrange(sort, descending, text).tolist())
    return [row[key] for row in rows]


@pytest.mark.parametrize("name", tables())
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
@pytest.mark.parametrize("depth", ["full", "few"])
def test_every_cell_is_as_wide_as_its_column(name, glyphs, depth):
    table = tables()[name]
    pen = Pen(themes.roles("dark", depth=depth), glyphs)
    for row in table.rows(table.arrange("", False, "").tolist()):
        for column in table.columns:
            for width in (1, column.width, column.width + 7):
                assert width_of(column.paint(row, width, pen)) == width, column.key


@pytest.mark.parametrize("name", tables())
@pytest.mark.parametrize("descending", [False, True])
def test_every_column_sorts_all_rows_with_the_unknown_last(name, descending):
    table = tables()[name]
    everything = set(table.arrange("", False, "").tolist())
    for column in table.columns:
        rows = table.arrange(column.key, descending, "").tolist()
        assert set(rows) == everything
        if column.key in ("trend", "job"):
            continue
        absent = [row[column.key] in (None, "") or row[column.key] != row[column.key]
                  for row in table.rows(rows)]  # fmt: skip
        assert absent == sorted(absent), column.key


def test_states_of_gpus_are_said_in_words():
    pen = Pen(themes.roles("dark"), UNICODE)
    table = GpuTable(store_of(Fleet(faults=FAULTS)))
    paint = next(column.paint for column in table.columns if column.key == "state")
    words = ["".join(part.text for part in paint(row, 9, pen)).split()[1:]
             for row in table.rows(range(8))]  # fmt: skip
    assert [" ".join(word) for word in words] == [
        "slowed", "lost", "hung", "slow", "failed", "ok", "ok", "idle",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "gpus"),
    [("lost", [1]), ("gpu-1 7", [7]), ("H100 idle", [7]), ("nothing", []), ("TRAIN-text", [0, 1])],
)
def test_gpus_are_filtered_by_all_that_is_said_of_them(text, gpus):
    table = GpuTable(store_of(Fleet(faults={1: "lost"}, jobs=(job("1"),))))
    assert table.arrange("", False, text).tolist() == gpus


def test_columns_without_meaning_here_are_left_out():
    keys = [column.key for column in GpuTable(store_of(Fleet())).columns]
    assert "node" not in keys
    assert "job" not in keys
    keys = [column.key for column in GpuTable(store_of(Fleet(nodes=2, jobs=(job("1"),)))).columns]
    assert {"node", "job"} <= set(keys)


def test_mig_instances_are_rows_of_their_gpu():
    table = GpuTable(store_of(Fleet(mig=True)))
    assert shown(table, "label")[-2:] == ["0.8", "0.9"]
    assert shown(table, "model")[-1] == "3g.40gb"


def test_jobs_come_the_newest_first_and_ids_count():
    table = JobTable({each.id: each for each in JOBS}, lambda: NOW)
    assert shown(table, "id", "id") == ["9", "10", "11"]
    newer = {"a": job("a", created=1.0), "b": job("b", created=2.0)}
    assert shown(JobTable(newer, lambda: NOW), "id") == ["b", "a"]


def test_a_running_job_grows_older_and_an_ended_one_does_not():
    table = JobTable({each.id: each for each in JOBS}, lambda: NOW + 60)
    assert dict(zip(shown(table, "id"), shown(table, "time"), strict=True)) == {
        "9": None, "10": 85.0, "11": 150.0,
    }  # fmt: skip


@pytest.mark.parametrize(("text", "ids"), [("FAILED", ["10"]), ("exited", ["10"]), ("xyz", [])])
def test_jobs_are_filtered_by_all_that_is_said_of_them(text, ids):
    table = JobTable({each.id: each for each in JOBS}, lambda: NOW)
    assert shown(table, "id", text=text) == ids


def test_processes_say_their_age_and_their_rank():
    table = processes()
    assert shown(table, "age") == [3725, None]
    assert shown(table, "job") == ["7.0", "-"]
    assert shown(table, "pid", text="ada") == [41_812]
    assert shown(table, "pid", "cpu", descending=False) == [41_812, 17]
    assert table.process(99) is None
