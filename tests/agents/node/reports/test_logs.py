"""Logs by pieces and by last lines, whatever bytes they hold."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.agents.node.reports.follower import Follower
from llmos.agents.node.reports.logs import RankLog, pieces
from llmos.agents.node.task.logindex import LogKeeper
from llmos.agents.node.task.taskfolder import TaskFolder, last_lines


@pytest.fixture
def folder(tmp_path: Path) -> TaskFolder:
    (tmp_path / "logs").mkdir()
    return TaskFolder(tmp_path)


def log(folder: TaskFolder, rank: int = 0) -> RankLog:
    return RankLog(folder, "1", 1, rank)


@settings(max_examples=60)
@given(data=st.text(max_size=200) | st.binary(max_size=200), limit=st.integers(8, 64))
def test_pieces_join_to_the_whole_log(tmp_path_factory, data, limit):
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    folder = TaskFolder(tmp_path_factory.mktemp("task"))
    (folder.path / "logs").mkdir()
    folder.log(0).write_bytes(raw)
    offset, text = 0, ""
    while (piece := log(folder).read(offset, limit, ended=True)).text:
        assert piece.offset == offset
        assert piece.end > offset
        offset, text = piece.end, text + piece.text
    assert offset == len(raw)
    if isinstance(data, str):
        assert text == raw.decode("utf-8", "replace")


def test_a_character_is_left_until_it_is_whole(folder: TaskFolder):
    folder.log(0).write_bytes("héllo €".encode()[:-1])
    piece = log(folder).read(0)
    assert (piece.text, piece.end) == ("héllo ", 7)
    folder.log(0).write_bytes("héllo €".encode())
    assert log(folder).read(7).text == "€"


@pytest.mark.parametrize(
    ("text", "lines", "last"),
    [
        ("a\nb\nc\n", 2, "b\nc\n"),
        ("a\nb\nc", 2, "b\nc"),
        ("a\nb\n", 9, "a\nb\n"),
        ("a\n\n\n", 2, "\n\n"),
        ("", 5, ""),
        ("a\n", 0, ""),
        ("a\n", -1, ""),
        ("x" * 40_000 + "\ny\n", 1, "y\n"),
        ("x" * 40_000 + "\ny\n", 2, "x" * 40_000 + "\ny\n"),
    ],
)
def test_the_last_lines(folder: TaskFolder, text: str, lines: int, last: str):
    folder.log(0).write_text(text)
    piece = log(folder).last(lines)
    assert piece.text == last
    assert (piece.offset, piece.end) == (len(text) - len(last), len(text))


def test_a_huge_log_is_never_read_whole(folder: TaskFolder):
    with folder.log(0).open("wb") as file:
        file.seek(2**34)
        file.write(b"\nthe end\n")
    assert log(folder).last(1).text == "the end\n"
    assert log(folder).last(10_000).text == "the end\n"
    piece = log(folder).read(5)
    assert (piece.offset, piece.text) == (2**34 + 1, "the end\n")
    with folder.log(1).open("wb") as file:
        file.write(b"x" * 2**21)
    assert len(log(folder, 1).last(10_000).text) == 2**20
    assert len(log(folder, 1).read(5).text) == 2**16


def test_all_ranks_or_one(folder: TaskFolder):
    for rank in (10, 2):
        folder.log(rank).write_text(f"of {rank}\n")
    every = pieces(folder, ("1", 1), None, None, 5)
    assert [(piece.rank, piece.text) for piece in every] == [(2, "of 2\n"), (10, "of 10\n")]
    (one,) = pieces(folder, ("1", 1), 10, 3, 5)
    assert (one.offset, one.text) == (3, "10\n")
    (none,) = pieces(folder, ("1", 1), 7, None, 5)
    assert (none.text, none.end) == ("", 0)


def test_following_begins_when_it_is_shown_and_misses_nothing(folder: TaskFolder):
    follower = Follower(folder, "1", 1)
    folder.log(0).write_text("old\n")
    assert follower.prints(shown=False) == []
    assert follower.prints(shown=True) == []
    with folder.log(0).open("a") as file:
        file.write("new\n")
    folder.log(1).write_text("from its beginning\n")
    said = [(piece.rank, piece.offset, piece.text) for piece in follower.prints(shown=True)]
    assert said == [(0, 4, "new\n"), (1, 0, "from its beginning\n")]
    assert follower.prints(shown=True) == []


def test_last_lines_are_fit_for_a_terminal(tmp_path: Path):
    path = tmp_path / "log"
    path.write_bytes(b"first\n\x1b[31mred\x1b[0m \x07bell \xff\n\n  \n")
    assert last_lines(path, 1) == ["red  bell \ufffd"]
    assert last_lines(path, 9) == ["first", "red  bell \ufffd"]
    assert last_lines(tmp_path / "none", 1) == []


HOLE = 2**18


@pytest.fixture
def headless(folder: TaskFolder) -> list[str]:
    """A log whose head was given back; all lines it ever had."""
    lines = [f"line {number:055}\n" for number in range(8_000)]
    folder.log(0).write_text("".join(lines))
    LogKeeper(folder, cap=HOLE).keep()
    return lines


def test_what_is_no_longer_kept_is_skipped_up_to_a_whole_line(
    folder: TaskFolder, headless: list[str]
):
    piece = log(folder).read(100)
    assert HOLE < piece.offset < HOLE + 2**16
    assert piece.offset % len(headless[0]) == 0
    assert piece.text.startswith(headless[piece.offset // len(headless[0])])
    assert log(folder).read(piece.offset, 70).text == piece.text[:70]
    # Whoever goes on from the piece's end misses nothing and meets no hole.
    text = piece.text
    while further := log(folder).read(piece.end).text:
        piece = log(folder).read(piece.end)
        text += further
    assert "\0" not in text
    assert "".join(headless).endswith(text)
    assert piece.end == log(folder).size


def test_the_last_lines_end_where_the_hole_does(folder: TaskFolder, headless: list[str]):
    piece = log(folder).last(10_000_000)
    assert "\0" not in piece.text
    assert piece.text == "".join(headless[-piece.text.count("\n") :])
    assert HOLE // 2 < len(piece.text) <= HOLE
    assert log(folder).last(2).text == "".join(headless[-2:])


def test_a_log_that_is_nothing_but_a_hole_says_nothing(folder: TaskFolder):
    with folder.log(0).open("wb") as file:
        file.truncate(HOLE)
    assert (log(folder).read(5).text, log(folder).last(5).text) == ("", "")
