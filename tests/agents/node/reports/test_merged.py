"""The logs of all ranks as one, from real files and the index that the keeper writes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmos.agents.errors import RequestRefused
from llmos.agents.node.reports import merged as module
from llmos.agents.node.reports.merged import LONGEST_LINE, merged
from llmos.agents.node.task.logindex import LogKeeper
from llmos.agents.node.task.taskfolder import TaskFolder

if TYPE_CHECKING:
    from llmos.agents.protocol.jobs import LogLine

BEGAN = 1_700_000_000.0

Print = tuple[int, float, str]
"""A rank, how long after the print before, and what it prints."""


class Task:
    """Ranks that print at times of our choice, watched by a keeper."""

    def __init__(self, path: Path, cap: int | None = None) -> None:
        (path / "logs").mkdir()
        self.folder = TaskFolder(path)
        self.now = BEGAN
        self._keeper = LogKeeper(self.folder, cap)

    def print(self, rank: int, text: str, after: float = 0.0) -> None:
        """Let a rank print a text `after` so many seconds."""
        self.now += after
        log = self.folder.log(rank)
        with log.open("ab") as file:
            file.write(text.encode())
        os.utime(log, (self.now, self.now))
        self._keeper.keep()

    def shown(self, **asked: object) -> list[tuple[list[int], str]]:
        """Ranks and texts of the merged lines."""
        return [(line.ranks, line.text) for line in merged(self.folder, **asked)]  # type: ignore[arg-type]


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return Task(tmp_path)


def test_lines_stand_in_the_order_of_their_times(task: Task):
    for rank, text in [(1, "a\nb\n"), (0, "c\n"), (2, "d\n"), (1, "e\n"), (0, "f")]:
        task.print(rank, text, after=5)
    lines = merged(task.folder)
    assert [(*line.ranks, line.text) for line in lines] == [
        (1, "a"),
        (1, "b"),
        (0, "c"),
        (2, "d"),
        (1, "e"),
        (0, "f"),
    ]
    assert lines[-1].time == BEGAN + 25
    assert [line.text for line in merged(task.folder, lines=2)] == ["e", "f"]
    assert merged(task.folder, lines=0) == []
    assert [line.text for line in merged(task.folder, ranks=[0, 7])] == ["c", "f"]
    assert merged(TaskFolder(task.folder.path / "nowhere")) == []


def test_what_ranks_say_alike_is_one_line(task: Task):
    for rank in (2, 0, 1):
        task.print(rank, f"[rank{rank}]: loading\non cuda:{rank}, Rank: {rank}\n", after=0.3)
    task.print(1, "loading\n", after=1)
    task.print(1, "loading\n")
    task.print(0, "loading\n", after=1)
    task.print(2, "loading\n", after=5)
    assert task.shown() == [
        ([0, 1, 2], "[rank2]: loading"),
        ([0, 1, 2], "on cuda:2, Rank: 2"),
        ([0, 1], "loading"),
        ([1], "loading"),
        ([2], "loading"),
    ]
    assert merged(task.folder)[0].time == merged(task.folder, fold=False)[0].time
    assert len(merged(task.folder, fold=False)) == 10


def test_the_number_of_another_rank_is_no_mark_of_ones_own(task: Task):
    task.print(0, "rank 3 is lost\nrank 5 is lost\n")
    task.print(1, "rank 3 is lost\nrank 4 is lost\n")
    assert sorted(task.shown()) == [
        ([0], "rank 5 is lost"),
        ([0, 1], "rank 3 is lost"),
        ([1], "rank 4 is lost"),
    ]


def test_folding_changes_no_rank_s_order(task: Task):
    task.print(0, "same\n")
    task.print(1, "before\n", after=0.5)
    task.print(1, "same\n", after=0.5)
    assert task.shown() == [([0], "same"), ([1], "before"), ([1], "same")]


def test_the_newest_folded_lines_have_all_their_ranks(task: Task):
    for step in range(300):
        for rank in range(4):
            task.print(rank, f"step {step}\n", after=0.05)
    assert task.shown(lines=2) == [(list(range(4)), f"step {step}") for step in (298, 299)]


def test_search_by_text_or_expression(task: Task):
    task.print(0, "Loss 3\nloss nan\nstraße\n")
    task.print(1, "CUDA error: out of memory\nLOSS 4\n", after=3)
    assert [text for _, text in task.shown(search="loss")] == ["Loss 3", "loss nan", "LOSS 4"]
    assert [text for _, text in task.shown(search="STRAßE")] == ["straße"]
    assert task.shown(search="/[Ll]oss (nan|3)$/", lines=1) == [([0], "loss nan")]
    assert task.shown(search="/^C.*memory/", ranks={0}) == []
    assert task.shown(search="/") == []
    with pytest.raises(RequestRefused) as refused:
        merged(task.folder, search="/(/")
    assert refused.value.status == 400
    assert str(refused.value).startswith("search: /(/ is no regular expression: ")


def test_of_a_progress_bar_the_last_painting_counts(task: Task):
    task.print(0, "\r 1%\r 50%\r100%\r\nwindows\r\n\r\n 7%\r 8%")
    assert [text for _, text in task.shown(fold=False)] == ["100%", "windows", "", " 8%"]
    assert task.shown(search="50%") == []


def test_before_and_after_turn_the_pages(task: Task):
    for number in range(50):
        task.print(number % 3, f"{number}\n" * 4, after=0.1)
    every = merged(task.folder, lines=1000)
    assert len(every) == 200
    pages: list[LogLine] = []
    while page := merged(task.folder, lines=7, before=pages[0].time if pages else None):
        pages = page + pages
    assert pages == every
    assert merged(task.folder, lines=1000, after=every[150].time) == every[151:]
    assert merged(task.folder, before=BEGAN - 1) == []
    assert merged(task.folder, after=task.now) == []


def test_up_to_given_ends_no_line_is_cut(task: Task):
    task.print(0, "one\ntwo\nthr")
    task.print(1, "eins\n", after=1)
    assert task.shown(ends={0: 8}) == [([0], "one"), ([0], "two")]
    assert task.shown(ends={0: 6, 1: 5}) == [([0], "one"), ([1], "eins")]
    assert task.shown(ends={0: 99, 1: 0}) == [([0], "one"), ([0], "two"), ([0], "thr")]


def test_bytes_that_are_no_text_are_told_as_such(task: Task):
    task.print(0, "")
    task.folder.log(0).write_bytes(b"\xff\xfe\nfine\n")
    assert [text for _, text in task.shown()] == ["\ufffd\ufffd", "fine"]


def test_of_an_endless_line_only_the_end_is_shown(task: Task):
    task.print(0, "first\n" + "x" * 3_000_000 + "y\nlast\n")
    first, endless, last = (text for _, text in task.shown())
    assert (first, last) == ("first", "last")
    assert endless == "…" + "x" * (LONGEST_LINE - 1) + "y"
    task.print(1, "painted\r" * 300_000, after=9)
    assert task.shown(lines=1) == [([1], "painted")]


def test_heads_that_were_given_back_are_left_out(tmp_path: Path):
    task = Task(tmp_path, cap=2**16)
    for number in range(100):
        task.print(number % 2, f"{number:06}\n" * 500, after=3)
    lines = merged(task.folder, lines=10_000, fold=False)
    assert 2 * 2**15 < len(lines) * 7 <= 2 * 2**16
    assert all(len(line.text) == 6 and "\0" not in line.text for line in lines)
    assert lines[-1].text == "000099"


def test_a_search_ends_where_enough_was_read(task: Task, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SEARCHED", 2**20)
    task.print(0, "the needle\n" + "hay\n" * 2**17)
    assert merged(task.folder, search="needle") != []
    task.print(0, "hay\n" * 2**18)
    assert merged(task.folder, search="needle") == []
    assert len(merged(task.folder, search="hay", lines=500)) == 500


@settings(max_examples=80, deadline=None)
@given(
    prints=st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from([0.0, 0.01, 0.3, 1.9, 2.1, 60.0]),
            st.text("ab\n", max_size=12),
        ),
        max_size=40,
    ),
    lines=st.integers(1, 60),
)
@example(prints=[(0, 0.0, "a\n"), (1, 0.3, "b\na\n"), (0, 0.3, "b\n")], lines=60)
def test_nothing_is_lost_and_each_rank_keeps_its_order(
    tmp_path_factory, prints: Sequence[Print], lines: int
):
    task = Task(tmp_path_factory.mktemp("task"))
    for rank, after, text in prints:
        task.print(rank, text, after)
    said = {rank: task.folder.log(rank).read_text() for rank in task.folder.ranks_with_logs()}
    for fold in (True, False):
        every = merged(task.folder, lines=10_000, fold=fold)
        assert [line.time for line in every] == sorted(line.time for line in every)
        for rank, text in said.items():
            of_rank = [line.text for line in every if rank in line.ranks]
            assert of_rank == text.removesuffix("\n").split("\n") * bool(text)
        newest = merged(task.folder, lines=lines, fold=fold)
        assert newest == every[-lines:]
