"""Of what a job puts into its task folder under the names of its files, only files are read."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from llmos.agents.node.regularfile import open_regular, read_regular
from llmos.agents.node.reports import bundle
from llmos.agents.node.reports.follower import Follower
from llmos.agents.node.reports.logs import pieces
from llmos.agents.node.reports.merged import merged
from llmos.agents.node.reports.progress import Tail
from llmos.agents.node.reports.series import curves, curves_of_all
from llmos.agents.node.sources.found import load
from llmos.agents.node.sources.stepregex import LogFigures
from llmos.agents.node.task.taskfolder import TaskFolder

ORDER = ("1", 1)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    elsewhere.write_text('{"what": "metric", "step": 1, "loss": 2.5}\n')
    path.symlink_to(elsewhere)


def link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


ODD = pytest.mark.parametrize("odd", [pipe, link, link_to_a_device, Path.mkdir])


@pytest.fixture
def folder(tmp_path: Path) -> TaskFolder:
    for name in ("logs", "progress"):
        (tmp_path / name).mkdir()
    folder = TaskFolder(tmp_path)
    folder.log(0).write_text("sound\n")
    folder.progress(0).write_text('{"what": "metric", "step": 1, "loss": 0.5}\n')
    return folder


@ODD
def test_only_a_regular_file_is_opened(tmp_path: Path, odd: Callable[[Path], None]) -> None:
    odd(tmp_path / "odd")
    with pytest.raises(OSError, match="odd"):
        open_regular(tmp_path / "odd")
    (tmp_path / "plain").write_bytes(b"text")
    assert read_regular(tmp_path / "plain") == b"text"


@ODD
def test_logs_that_are_none_say_nothing(folder: TaskFolder, odd: Callable[[Path], None]) -> None:
    odd(folder.log(9))
    assert [piece.text for piece in pieces(folder, ORDER, None, None, 5)] == ["sound\n", ""]
    assert [piece.text for piece in pieces(folder, ORDER, None, 0, 5)] == ["sound\n", ""]
    assert [line.text for line in merged(folder)] == ["sound"]
    assert LogFigures(folder.log(9), r"(?P<loss>\d)").read() == []
    assert bundle._last_bytes(folder.log(9), 100) is None


@ODD
def test_figures_that_are_none_say_nothing(folder: TaskFolder, odd: Callable[[Path], None]) -> None:
    odd(folder.progress(9))
    assert Tail(folder.progress(9)).read() == []
    assert curves(folder, 1, 10, rank=9) == []
    assert [(one.rank, one.values) for one in curves_of_all(folder, 1, 10)] == [(0, [0.5])]
    odd(folder.sources)
    assert load(folder) == []


@ODD
def test_a_follower_passes_over_them(folder: TaskFolder, odd: Callable[[Path], None]) -> None:
    odd(folder.log(9))
    odd(folder.progress(9))
    follower = Follower(folder, *ORDER)
    assert follower.prints(shown=True) == []
    folder.log(0).write_text("sound\nmore\n")
    assert [piece.text for piece in follower.prints(shown=True)] == ["more\n"]
    assert [metric.rank for metric in follower.metrics(shown=True)] == [0]
