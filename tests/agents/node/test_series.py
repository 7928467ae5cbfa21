"""Curves: bounded, in order, with every spike."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from llmos.agents.node.series import Thinned, curves
from llmos.agents.node.taskfolder import TaskFolder


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
