"""Files are found by the processes that write them, and by nothing else."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from llmos.agents.node.reports.follower import Follower
from llmos.agents.node.reports.series import curves, curves_of_all
from llmos.agents.node.sources import found
from llmos.agents.node.sources.found import Finder, Found, load
from llmos.agents.node.task.taskfolder import TaskFolder
from llmos.agents.protocol.jobs import Metric, RankState, TaskState

DATA = Path(__file__).parent / "data"
EVENTS = DATA / "events.out.tfevents.1795462457.host.11649.0"
RUN = DATA / "run-fixture1.wandb"

WRITER = """
import os, shutil, subprocess, sys, time
events, run, log_folder = sys.argv[1:]
os.makedirs(log_folder)
# As TensorBoard's writer: opened for each piece, and named by the process.
shutil.copy(events, f"{log_folder}/events.out.tfevents.{int(time.time())}.host.{os.getpid()}.0")
# As W&B's service: a process below the rank holds the file open.
holder = (
    "import os, shutil, sys, time; os.makedirs('wandb/offline-run-7'); "
    "file = open('wandb/offline-run-7/run-7.wandb', 'ab'); "
    "file.write(open(sys.argv[1], 'rb').read()); file.flush(); print('up', flush=True); "
    "sys.stdin.read()"
)
subprocess.run([sys.executable, "-c", holder, run])
"""


@pytest.fixture
def folder(tmp_path: Path) -> TaskFolder:
    task = tmp_path / "task"
    (task / "progress").mkdir(parents=True)
    (task / "logs").mkdir()
    return TaskFolder(task)


@pytest.fixture
def start(folder: TaskFolder, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the writer as a rank that works in a folder of its own; up when it has written."""
    started: list[subprocess.Popen[str]] = []
    ranks: list[RankState] = []

    def begin(rank: int = 0, log_folder: str = "runs/first") -> subprocess.Popen[str]:
        works_in = tmp_path / f"work-{rank}"
        works_in.mkdir()
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, EVENTS, RUN, log_folder],
            cwd=works_in,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        ranks.append(RankState(rank=rank, pid=process.pid, started=time.time() - 1))
        state = TaskState(
            state="running", cause="", time=1.0, shim=1, shim_ticks=1, boot="", ranks=ranks
        )
        folder.state.write_bytes(msgspec.json.encode(state))
        return process

    yield begin
    for process in started:
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Let it come to its end."""
    if process.poll() is None:
        process.communicate()


def until_found(follower: Follower, condition: Callable[[list[Metric]], bool]) -> list[Metric]:
    read: list[Metric] = []
    for _ in range(3000):
        read += follower.metrics(shown=True)
        if condition(read):
            return read
        time.sleep(0.01)
    raise AssertionError(f"in half a minute there were only {len(read)} lines")


def test_what_a_rank_and_those_below_it_write_is_found(folder, start, tmp_path):
    process = start()
    stranger = tmp_path / "work-0/runs/first/events.out.tfevents.1795462457.host.1.0"
    stranger.write_bytes(EVENTS.read_bytes())
    finder = Finder(folder)
    finder.look([process.pid])
    assert {one.source for one in finder.found} == {
        "tensorboard runs/first",
        "wandb offline-run-7",
    }
    assert str(stranger) not in {one.path for one in finder.found}
    assert load(folder) == finder.found
    finder.look([process.pid])
    assert len(finder.found) == 2


def test_a_folder_elsewhere_is_found_by_an_argument(folder, start, tmp_path):
    process = start(log_folder=str(tmp_path / "elsewhere"))
    finder = Finder(folder)
    finder.look([process.pid])
    assert f"tensorboard {tmp_path / 'elsewhere'}" in {one.source for one in finder.found}


def test_a_file_belongs_to_the_rank_that_writes_it(folder, start):
    processes = [start(rank) for rank in (0, 1)]
    finder = Finder(folder)
    finder.look([process.pid for process in processes])
    assert sorted((one.kind, one.rank) for one in finder.found) == [
        ("tensorboard", 0),
        ("tensorboard", 1),
        ("wandb", 0),
        ("wandb", 1),
    ]
    losses = curves_of_all(folder, 1, 100, ["train/loss"])
    assert [(curve.rank, curve.source) for curve in losses] == [
        (rank, one.source) for rank in (0, 1) for one in finder.found if one.rank == rank
    ]


def test_an_unchanged_script_has_curves_and_progress_also_when_it_is_gone(folder, start):
    process = start()
    pids: list[int] = [process.pid]
    follower = Follower(folder, "7", 2, lambda: tuple(pids))
    read = until_found(follower, lambda said: len({metric.source for metric in said}) == 2)
    assert {metric.rank for metric in read} == {0}
    assert (follower.progress.step, follower.progress.loss) in (
        (20, 0.2),
        (120, pytest.approx(1 / 3)),
    )
    end(process)
    pids.clear()
    until_found(follower, lambda said: not follower.behind)
    named = {(curve.source, curve.name): curve for curve in curves(folder, 2, 100)}
    assert len(named["tensorboard runs/first", "train/loss"].values) == 20
    assert named["wandb offline-run-7", "train/loss"].steps == [10 * n for n in range(1, 13)]
    successor = Follower(folder, "7", 2)
    until_found(successor, lambda said: len(said) >= 32)
    assert successor.progress.loss is not None


def test_what_was_begun_and_ended_between_two_looks_is_found_by_name(folder, start, tmp_path):
    process = start()
    finder = Finder(folder)
    finder.look([process.pid])
    late = tmp_path / f"work-0/late/events.out.tfevents.{int(time.time())}.host.{process.pid}.1"
    late.parent.mkdir()
    late.write_bytes(EVENTS.read_bytes())
    end(process)
    finder.look([])
    assert "tensorboard late" in {one.source for one in finder.found}


def test_our_own_lines_tell_the_progress(folder):
    folder.sources.write_bytes(msgspec.json.encode([Found("tensorboard", str(EVENTS), "runs", 0)]))
    folder.progress(0).write_text('{"what": "metric", "step": 3, "loss": 9.5}\n')
    follower = Follower(folder, "7", 1)
    until_found(follower, lambda said: len(said) >= 21)
    assert (follower.progress.step, follower.progress.loss) == (3, 9.5)


def test_printed_figures_are_a_source(folder):
    folder.log(0).write_text("step 4 loss 2.5\n")
    follower = Follower(folder, "7", 1, step_regex=r"step (?P<step>\d+) loss (?P<loss>\S+)")
    (metric,) = follower.metrics(shown=True)
    assert metric.source == "log"
    assert (metric.values["step"], metric.values["loss"]) == (4, 2.5)
    assert (follower.progress.step, follower.progress.loss) == (4, 2.5)
    assert Follower(folder, "7", 1, step_regex="(").metrics(shown=True) == []


@pytest.mark.parametrize("text", ["", "[", "{}", "[1]", '[{"kind": "csv"}]', '[{"kind": "wandb"}]'])
def test_a_damaged_list_is_an_empty_one(folder, text):
    folder.sources.write_text(text)
    assert load(folder) == []
    assert curves(folder, 1, 100) == []


def test_a_list_may_name_anything(folder, tmp_path):
    """The job can write to its folder: what is no regular file of its user is not read."""
    os.mkfifo(tmp_path / "pipe")
    names = ["/dev/zero", "/proc/kmsg", str(tmp_path / "pipe"), str(tmp_path), "relative", "/a\0b"]
    listed = [Found("tensorboard", name, "x", 0) for name in names * 10]
    folder.sources.write_bytes(msgspec.json.encode(listed))
    assert len(load(folder)) == found.MOST
    assert curves(folder, 1, 100) == []
