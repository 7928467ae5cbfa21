"""The ring of the last samples."""

import numpy as np
import pytest

from llmos.agents.fleet import history
from llmos.agents.fleet.columns import Columns
from llmos.agents.fleet.history import LONGEST, SHORTEST, History
from llmos.agents.protocol.fields import Field

FIELDS = tuple(Field(name, "H", 1, "", name) for name in ("a", "b"))


class Told:
    """Columns and their history, told row by row."""

    def __init__(self) -> None:
        self.columns = Columns(FIELDS)
        self.history = History(["a"])

    def add(self, *values: float, time: float = 0.0) -> None:
        self.columns.grow(len(values))
        rows = np.arange(len(values))
        self.columns.put(rows, "a", np.array(values, np.float32))
        self.history.add(self.columns, time)


def test_curves_are_oldest_first_with_their_times():
    told = Told()
    for number in range(5):
        told.add(number, 10 + number, time=100.0 + number)
    assert told.history.curve("a", 1).tolist() == [10, 11, 12, 13, 14]
    assert told.history.curve("a", 0, samples=2).tolist() == [3, 4]
    assert told.history.times(2).tolist() == [103, 104]
    assert len(told.history) == 5


def test_the_oldest_go_when_the_ring_is_full():
    told = Told()
    for number in range(LONGEST + 7):
        told.add(number, time=float(number))
    assert len(told.history) == LONGEST
    assert told.history.curve("a", 0)[[0, -1]].tolist() == [7, LONGEST + 6]
    assert told.history.times()[[0, -1]].tolist() == [7, LONGEST + 6]
    assert np.all(np.diff(told.history.times()) == 1)


def test_totals_and_means_leave_out_what_is_not_known():
    told = Told()
    told.add(np.nan, np.nan)
    told.add(4, np.nan)
    told.add(4, 8)
    np.testing.assert_array_equal(told.history.total("a"), [np.nan, 4, 12])
    np.testing.assert_array_equal(told.history.mean("a"), [np.nan, 4, 6])


def test_nothing_was_heard_yet():
    empty = History(["a"])
    assert [len(empty), len(empty.curve("a", 0)), len(empty.total("a")), len(empty.times())] == [
        *([0] * 4)
    ]


def test_a_node_without_gpus_has_totals_that_are_not_known():
    told = Told()
    told.add()
    assert np.isnan(told.history.total("a")).all()
    assert np.isnan(told.history.curve("a", 0)).all()


def test_rows_that_come_later_were_not_known_before():
    told = Told()
    told.add(1)
    told.add(*range(100))
    np.testing.assert_array_equal(told.history.curve("a", 99), [np.nan, 99])
    np.testing.assert_array_equal(told.history.curve("a", 0), [1, 0])
    assert np.isnan(told.history.curve("a", 10_000)).all()


@pytest.mark.parametrize("rows", [200, 10_000])
def test_it_grows_shorter_as_it_grows_wider_and_keeps_the_newest(
    monkeypatch: pytest.MonkeyPatch, rows: int
):
    monkeypatch.setattr(history, "BUDGET", 4 * 200 * 300)
    told = Told()
    for number in range(LONGEST + 5):
        told.add(number, time=float(number))
    told.add(*[1.0] * rows, time=float(LONGEST + 5))
    kept = len(told.history)
    assert SHORTEST <= kept <= 300
    times = told.history.times().tolist()
    assert times == [float(number) for number in range(LONGEST + 6 - kept, LONGEST + 6)]
    assert told.history.curve("a", 0).tolist()[:-1] == times[:-1]
    told.add(*[2.0] * rows)
    assert len(told.history) == kept
