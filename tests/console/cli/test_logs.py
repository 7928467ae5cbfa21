"""`llmos logs`: of one rank as it stands, of several by time; and what follows."""

import os
import time
from pathlib import Path

import pytest

from llmos.agents.node.task.logindex import LogKeeper
from llmos.agents.node.task.taskfolder import TaskFolder
from llmos.console.cli.loglines import mark
from llmos.tests.conftest import PATIENCE, FrontDoor

SCRIPT = """
import os, sys, time
rank = int(os.environ["RANK"])
print("rank", rank, "is up", flush=True)
while not os.path.exists(sys.argv[1]): time.sleep(0.05)
print("loss 1", "loss 2", sep="\\n", flush=True)
"""

BEGAN = 1_700_000_000


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "ranks.py"
    path.write_text(SCRIPT)
    return str(path)


@pytest.fixture
def printed(llmos: FrontDoor, state: Path, tmp_path: Path) -> None:
    """Job 1 of two ranks, which printed at times that we know."""
    script = tmp_path / "nothing.py"
    script.write_text("pass\n")
    llmos("run", "--ranks", "2", "--", str(script))
    folder = TaskFolder(state / "run" / "1" / "a1")
    keeper = LogKeeper(folder)
    for seconds, rank, text in [
        (0.0, 0, "[rank0]: ready\n"),
        (0.5, 1, "[rank1]: ready\n"),
        (9.0, 1, "of 1 alone\n"),
        (10.0, 0, "of 0 alone\n 1%\r99%\n"),
        (20.0, 1, "loss 1\nloss 2\n"),
        (29.0, 0, "loss 1\nloss 2"),
    ]:
        log = folder.log(rank)
        with log.open("a") as file:
            file.write(text)
        os.utime(log, (BEGAN + seconds, BEGAN + seconds))
        keeper.keep()


@pytest.mark.usefixtures("printed")
def test_ranks_are_merged_and_folded(llmos: FrontDoor) -> None:
    assert llmos("logs", "1").splitlines() == [
        "[0-1] ×2 [rank0]: ready",
        "[1] of 1 alone",
        "[0] of 0 alone",
        "[0] 99%",
        "[1] loss 1",
        "[1] loss 2",
        "[0] loss 1",
        "[0] loss 2",
    ]
    apart = ["[0] [rank0]: ready", "[1] [rank1]: ready", "[1] of 1 alone"]
    assert llmos("logs", "1", "--no-fold").splitlines()[:3] == apart
    assert llmos("logs", "1", "-f", "--no-fold").splitlines()[:3] == apart
    both = ("--rank", "0", "--rank", "1")
    assert llmos("logs", "1", *both, "--lines", "1") == "[0] loss 2\n"
    assert llmos.error("logs", "1", *both, "--rank", "7", code=1).startswith("job 1 has no rank 7")


@pytest.mark.usefixtures("printed")
def test_one_rank_is_printed_as_it_stands(llmos: FrontDoor) -> None:
    assert llmos("logs", "1", "--rank", "1", "--lines", "2") == "loss 1\nloss 2\n"
    assert llmos("logs", "1", "--rank", "0", "--lines", "1") == "loss 2"
    assert llmos.error("logs", "1", "--rank", "7", code=1).startswith("job 1 has no rank 7")


@pytest.mark.usefixtures("printed")
def test_search_and_times(llmos: FrontDoor) -> None:
    assert llmos("logs", "1", "--search", "ALONE") == "[1] of 1 alone\n[0] of 0 alone\n"
    assert llmos("logs", "1", "--search", "/loss [2-9]/", "--rank", "1") == "loss 2\n"
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(BEGAN + 29))
    assert llmos("logs", "1", "--rank", "0", "--times", "--lines", "1") == f"{when} loss 2\n"
    said = llmos.error("logs", "1", "--search", "/(/", code=2)
    assert said.startswith("search: /(/ is no regular expression: ")


def test_following_several_ranks_misses_nothing_and_repeats_nothing(
    llmos: FrontDoor, script: str, tmp_path: Path
) -> None:
    llmos("submit", "--ranks", "2", "--", script, str(tmp_path / "go"))
    followed = llmos.start("logs", "1", "-f", "--no-fold")
    searched = llmos.start("logs", "1", "-f", "--no-fold", "--search", "LOSS")
    assert followed.stdout is not None
    seen = [followed.stdout.readline() for _ in range(2)]
    (tmp_path / "go").touch()
    seen += followed.communicate(timeout=PATIENCE)[0].splitlines(keepends=True)
    for rank in (0, 1):
        own = [line for line in seen if line.startswith(f"[{rank}] ")]
        said = [f"rank {rank} is up", "loss 1", "loss 2"]
        assert own == [f"[{rank}] {line}\n" for line in said]
    found = searched.communicate(timeout=PATIENCE)[0].splitlines()
    assert sorted(found) == ["[0] loss 1", "[0] loss 2", "[1] loss 1", "[1] loss 2"]


def test_a_reader_that_goes_ends_it(llmos: FrontDoor, script: str, tmp_path: Path) -> None:
    llmos("submit", "--ranks", "2", "--", script, str(tmp_path / "go"))
    process = llmos.start("logs", "1", "-f")
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    (tmp_path / "go").touch()
    assert process.wait(PATIENCE) == 141


@pytest.mark.parametrize(
    ("ranks", "said"),
    [
        ([3], "[3] "),
        ([0, 1, 2, 3], "[0-3] ×4 "),
        ([0, 2, 3, 12], "[0,2-3,12] ×4 "),
    ],
)
def test_the_mark_of_a_line(ranks: list[int], said: str) -> None:
    assert mark(ranks) == said
