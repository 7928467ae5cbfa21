"""Curves: bounded, in order, with every spike."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.agents.node.reports.series import Thinned, curves, curves_of_all
from llmos.agents.node.sources.found import Found
from llmos.agents.node.task.taskfolder import TaskFolder
from llmos.agents.protocol.jobs import JobRequest, Program, TaskOrder

DATA = Path(__file__).parents[1] / "sources/data"


@given(
    values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=400),
    limit=st.integers(5, 60),
)
def test_a_thinned_curve_keeps_ends_and_extremes(values, limit):
    thinned = Thinned(limit)
    for step, value in enumerate(values):
        thinned.add(step, None, value)
    points = thinned.points()
    assert len(points) <= limit
    assert [point.order for point in points] == sorted({point.order for point in points})
    assert all(values[point.order] == point.value for point in points)
    assert points[-1].order == len(values) - 1
    kept = [point.value for point in points]
    assert (min(kept), max(kept)) == (min(values), max(values))


def test_a_short_curve_is_whole():
    thinned = Thinned(101)
    for step in range(50):
        thinned.add(step, step / 2, step * 2)
    assert [point.step for point in thinned.points()] == list(range(50))


def test_curves_of_a_rank(tmp_path: Path):
    folder = TaskFolder(tmp_path)
    path = folder.progress(1)
    path.parent.mkdir()
    lines = [{"what": "metric", "t": 10 + n, "step": n, "loss": 9 - n} for n in range(3)]
    lines.insert(1, {"what": "metric", "t": 10.5, "step": 0, "val_loss": 8.5, "phase": "check"})
    lines.insert(2, {"what": "phase", "phase": "training"})
    lines.append({"what": "metric", "val_loss": None, "loss": True})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"what": "met')
    found = {curve.name: curve for curve in curves(folder, 4, 100, rank=1)}
    assert found.keys() == {"loss", "val_loss"}
    assert found["loss"].values == [9, 8, 7, 1]
    assert found["loss"].steps == [0, 1, 2, None]
    assert found["loss"].times == [10, 11, 12, None]
    assert found["val_loss"].values == [8.5]
    assert (found["loss"].rank, found["loss"].attempt) == (1, 4)


def test_no_file_no_curves(tmp_path: Path):
    assert curves(TaskFolder(tmp_path), 1, 100) == []


def write(folder: TaskFolder, rank: int, lines: list[object]) -> None:
    path = folder.progress(rank)
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("names", [None, ["dt", "loss"]])
def test_curves_of_all_ranks_are_those_of_each(tmp_path: Path, names: list[str] | None):
    folder = TaskFolder(tmp_path)
    for rank in range(3):
        write(
            folder,
            rank,
            [
                {"what": "phase", "phase": "train", "dt": 7},
                *({"what": "metric", "t": n, "step": n, "dt": n + rank} for n in range(4)),
                {"what": "metric", "t": 9.5, "step": 9, "dt": None, "loss": float("nan")},
                {"what": "metric", "t": 9.6, "dt": "soon", "loss": 2.5},
            ],
        )
    together = curves_of_all(folder, 1, 100, names)
    assert together == [one for rank in range(3) for one in curves(folder, 1, 100, rank, names)]
    found = {(curve.rank, curve.name): curve for curve in together}
    assert found.keys() == {(rank, name) for rank in range(3) for name in ("dt", "loss")}
    assert found[2, "dt"].values == [2, 3, 4, 5]
    assert found[2, "dt"].times == [0, 1, 2, 3]
    assert (found[2, "loss"].values, found[2, "loss"].steps) == ([2.5], [None])


@given(
    lines=st.lists(
        st.dictionaries(
            st.sampled_from(["what", "t", "step", "dt", "a b", "x"]),
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text(max_size=3)
            | st.just("metric"),
        )
    )
)
def test_a_figure_by_name_is_the_same_as_among_all(tmp_path_factory, lines):
    folder = TaskFolder(tmp_path_factory.mktemp("named"))
    write(folder, 0, list(lines))
    among_all = {curve.name: curve for curve in curves(folder, 1, 50)}
    named = {curve.name: curve for curve in curves(folder, 1, 50, 0, ["dt", "a b", "step"])}
    assert named == {name: among_all[name] for name in ("dt", "a b") if name in among_all}


def test_each_source_has_its_curves(tmp_path: Path):
    folder = TaskFolder(tmp_path)
    write(folder, 0, [{"what": "metric", "step": 1, "loss": 1.5}])
    (events,), (run,) = DATA.glob("events*"), DATA.glob("*.wandb")
    listed = [
        Found("tensorboard", str(events), "runs", 0),
        Found("wandb", str(run), "offline-run", 1),
        Found("wandb", str(tmp_path / "gone.wandb"), "gone", 0),
    ]
    folder.sources.write_bytes(msgspec.json.encode(listed))
    folder.log(0).parent.mkdir()
    folder.log(0).write_text("step 3 loss 4.5\n")
    program = Program(arguments=["x.py"], step_regex=r"step (?P<step>\d+) loss (?P<loss>\S+)")
    request = JobRequest(kind="command", name="x", program=program)
    order = TaskOrder(job="1", attempt=1, user="u", created=1.0, request=request, ranks=2)
    folder.order.write_bytes(msgspec.json.encode(order))
    found = {(curve.source, curve.name): curve for curve in curves(folder, 1, 10)}
    assert {source for source, _ in found} == {"llmos", "tensorboard runs", "log"}
    assert found["llmos", "loss"].values == [1.5]
    assert found["log", "loss"].steps == [3]
    assert found["log", "loss"].times[0] == pytest.approx(folder.log(0).stat().st_mtime, abs=1)
    losses = found["tensorboard runs", "train/loss"]
    assert (len(losses.values), max(losses.values), losses.steps[-1]) == (8, 4, 20)
    assert ("tensorboard runs", "eval/loss") not in found
    others = curves(folder, 1, 100, rank=1, names=["train/loss"])
    assert [(curve.source, len(curve.values)) for curve in others] == [("wandb offline-run", 12)]
