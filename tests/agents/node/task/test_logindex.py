"""The time index of a log and its cap, on real files."""

import os
import resource
import struct
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.agents.node.task import logindex
from llmos.agents.node.task.logindex import LONGEST, SHORTEST, LogKeeper, times
from llmos.agents.node.task.taskfolder import TaskFolder

MINUTE = 60.0
BEGAN = 1_700_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> TaskFolder:
    (tmp_path / "logs").mkdir()
    return TaskFolder(tmp_path)


def prints(folder: TaskFolder, text: str, time: float, rank: int = 0) -> None:
    """A rank prints, at a time of our choice."""
    with folder.log(rank).open("a") as file:
        file.write(text)
    os.utime(folder.log(rank), (time, time))


def test_each_byte_has_the_time_at_which_it_was_printed(folder: TaskFolder):
    keeper = LogKeeper(folder)
    for minute, text in enumerate(("one\n", "two\nthree\n", "four\n")):
        prints(folder, text, BEGAN + minute * MINUTE)
        keeper.keep()
    prints(folder, "not looked at yet\n", BEGAN + 3 * MINUTE)

    found = times(folder, 0)
    assert found.offsets == [4, 14, 19, 37]
    assert [found.at(end - 1) - BEGAN for end in found.offsets] == [0, 60, 120, 180]
    assert [found.reach(BEGAN + after) for after in (0, 1, 61, 121, 999)] == [4, 14, 19, 37, 37]
    every = [found.at(offset) for offset in range(found.end)]
    assert every == sorted(set(every))
    # What came after an hour of silence did not come during it.
    assert BEGAN + MINUTE - SHORTEST <= found.at(4) < found.at(13)


def test_looks_are_frequent_only_while_something_is_printed(folder: TaskFolder):
    keeper = LogKeeper(folder)
    assert keeper.keep() == LONGEST
    prints(folder, "up\n", BEGAN)
    assert keeper.keep() == SHORTEST
    prints(folder, "up too\n", BEGAN, rank=1)
    assert keeper.keep() == SHORTEST
    assert [keeper.keep() for _ in range(4)] == [0.5, 1.0, 1.0, 1.0]
    assert times(folder, 1).offsets == [7]


def test_the_next_keeper_goes_on_where_one_was_killed(folder: TaskFolder):
    prints(folder, "one\n", BEGAN)
    LogKeeper(folder).keep()
    with folder.index(0).open("ab") as file:
        file.write(b"cut off")
    keeper = LogKeeper(folder)
    assert keeper.keep() == LONGEST
    prints(folder, "two\n", BEGAN + MINUTE)
    keeper.keep()
    assert folder.index(0).read_bytes() == struct.pack("=dQdQ", BEGAN, 4, BEGAN + MINUTE, 8)


def test_without_an_index_the_log_has_one_time(folder: TaskFolder):
    assert times(folder, 0).offsets == []
    prints(folder, "", BEGAN)
    assert times(folder, 0).end == 0
    prints(folder, "one\ntwo\n", BEGAN)
    assert times(folder, 0) == ([BEGAN], [8])


@settings(max_examples=60)
@given(
    damaged=st.lists(
        st.binary(max_size=40)
        | st.builds(
            lambda time, offset: struct.pack("=dQ", time, offset),
            st.floats() | st.floats(0, 2 * BEGAN),
            st.integers(0, 2**64 - 1) | st.integers(0, 120),
        )
    ).map(b"".join)
)
def test_a_damaged_index_still_gives_rising_times(tmp_path_factory, damaged: bytes):
    folder = TaskFolder(tmp_path_factory.mktemp("task"))
    (folder.path / "logs").mkdir()
    prints(folder, "x" * 100, BEGAN)
    folder.index(0).write_bytes(damaged)
    found = times(folder, 0)
    assert found.end == 100
    assert found.offsets == sorted(set(found.offsets))
    assert found.times == sorted(found.times)
    every = [found.at(offset) for offset in range(100)]
    assert every == sorted(every)
    assert all(0 <= found.reach(time) <= 100 for time in (0.0, BEGAN, 2 * BEGAN))


def test_after_a_clock_was_set_back_the_later_times_are_true(folder: TaskFolder):
    keeper = LogKeeper(folder)
    for time in (BEGAN, BEGAN + 60 * MINUTE, BEGAN + MINUTE):
        prints(folder, "line\n", time)
        keeper.keep()
    assert times(folder, 0).times == [BEGAN, BEGAN + MINUTE, BEGAN + MINUTE]


def test_an_index_thins_out_where_it_is_old(folder: TaskFolder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logindex, "RECORDS", 64)
    keeper = LogKeeper(folder)
    for number in range(1000):
        prints(folder, f"{number}\n", BEGAN + number)
        keeper.keep()
    found = times(folder, 0)
    assert 32 <= len(found.offsets) <= 64
    assert found.times[-12:] == [BEGAN + number for number in range(988, 1000)]
    assert found.times[0] == BEGAN
    assert max(later - time for time, later in pairwise(found.times)) < 4 * 1000 / 24
    assert sorted(os.listdir(folder.path / "logs")) == ["rank-0.index", "rank-0.log"]


def test_a_log_past_its_cap_loses_its_head_and_no_offset_moves(folder: TaskFolder):
    cap = 2**18
    keeper = LogKeeper(folder, cap)
    line = "x" * 99 + "\n"
    for number in range(60):
        prints(folder, line * 500, BEGAN + number)
        keeper.keep()
    status = folder.log(0).stat()
    assert status.st_size == 60 * 500 * 100
    assert cap // 2 <= status.st_blocks * 512 <= cap + 2**13
    with folder.log(0).open("rb") as file:
        file.seek(status.st_size - cap // 2)
        assert set(file.read()) == set(line.encode())
    assert times(folder, 0).end == status.st_size


def test_a_cap_smaller_than_a_block_harms_nothing(folder: TaskFolder):
    keeper = LogKeeper(folder, 1)
    prints(folder, "one\n", BEGAN)
    assert keeper.keep() == SHORTEST
    assert folder.log(0).read_text() == "one\n"


def test_the_cap_may_be_said_in_the_environment(
    folder: TaskFolder, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LLMOS_LOG_CAP", str(2**14))
    prints(folder, "x" * 2**16, BEGAN)
    LogKeeper(folder).keep()
    assert folder.log(0).stat().st_blocks * 512 <= 2**14


def test_where_heads_cannot_be_taken_they_stay_and_it_is_tried_once(
    folder: TaskFolder, monkeypatch: pytest.MonkeyPatch
):
    tried: list[int] = []

    def refuses(path: Path, end: int) -> None:
        tried.append(end)
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(logindex, "_punch_head", refuses)
    keeper = LogKeeper(folder, 2**14)
    for number in range(3):
        prints(folder, "x" * 2**16, BEGAN + number)
        assert keeper.keep() == SHORTEST
    assert len(tried) == 1
    assert len(times(folder, 0).offsets) == 3


def test_an_index_that_cannot_be_written_is_done_without(folder: TaskFolder):
    folder.index(0).mkdir()
    keeper = LogKeeper(folder)
    for time in (BEGAN, BEGAN + MINUTE):
        prints(folder, "line\n", time)
        assert keeper.keep() == SHORTEST
    assert times(folder, 0) == ([BEGAN + MINUTE], [10])


def test_a_disk_with_no_room_for_a_whole_record_leaves_a_sound_index(folder: TaskFolder):
    keeper = LogKeeper(folder)
    prints(folder, "one\n", BEGAN)
    keeper.keep()
    prints(folder, "two\n", BEGAN + MINUTE)
    pid = os.fork()
    if pid == 0:  # files may not grow past the middle of the second record
        resource.setrlimit(resource.RLIMIT_FSIZE, (24, 24))
        os._exit(0 if keeper.keep() == SHORTEST else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert folder.index(0).stat().st_size == 24
    assert times(folder, 0).offsets == [4, 8]
    LogKeeper(folder).keep()
    assert folder.index(0).read_bytes() == struct.pack("=dQdQ", BEGAN, 4, BEGAN + MINUTE, 8)
