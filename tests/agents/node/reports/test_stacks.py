"""Stacks of real ranks: those that wait for ever, in Python and in C, and those that cannot say."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llmos.agents.node.reports import stacks
from llmos.agents.node.task import descent
from llmos.agents.node.task.taskfolder import TaskFolder
from llmos.agents.protocol.jobs import RankStacks, RankState
from llmos.engine import rank as rank_program

DEADLOCKED = """
import threading
lock = threading.Lock()
watcher = threading.Thread(target=threading.Event().wait, name="watcher", daemon=True)
watcher.start()
def deadlocked():
    lock.acquire()
    {up}
    lock.acquire()
deadlocked()
"""

HOLDING_THE_GIL = """
import ctypes
c = ctypes.PyDLL(None)
mutex = ctypes.create_string_buffer(256)
def stuck_in_c():
    c.pthread_mutex_lock(mutex)
    {up}
    c.pthread_mutex_lock(mutex)
stuck_in_c()
"""

REPLACED = "import os\n{up}\nos.execvp('sleep', ['sleep', '600'])\n"

REPLACED_BY_PYTHON = """
import os, sys
os.execv(sys.executable, [sys.executable, "-c", '''
import time
def another_program():
    {up}
    time.sleep(600)
another_program()
'''])
"""

UP = 'open("{path}", "w").close()'
PATIENCE = 30.0

Start = Callable[..., RankState]


@pytest.fixture
def folder(tmp_path: Path) -> TaskFolder:
    made = TaskFolder(tmp_path / "a1")
    (made.path / "stacks").mkdir(parents=True)
    return made


@pytest.fixture
def start(folder: TaskFolder, tmp_path: Path) -> Iterator[Start]:
    """Starts a rank that runs a script, through the program that every rank runs."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(script: str, rank: int = 0) -> RankState:
        up = tmp_path / f"up-{rank}"
        program = tmp_path / f"script-{rank}.py"
        program.write_text(script.format(up=UP.format(path=up)))
        process = subprocess.Popen(
            [sys.executable, rank_program.__file__, str(program)],
            env=os.environ | {"LLMOS_TASK": str(folder.path), "RANK": str(rank)},
        )
        started.append(process)
        until(up.exists)
        found = descent.status(process.pid)
        assert found is not None
        return RankState(rank=rank, pid=process.pid, started=0.0, ticks=found.process.ticks)

    yield begin
    for process in started:
        process.kill()
        process.wait()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def letter(rank: RankState) -> str:
    found = descent.status(rank.pid)
    return "" if found is None else found.state


async def of(folder: TaskFolder, rank: RankState, *, native: bool = False) -> RankStacks:
    (told,) = await stacks.take(folder, [rank], native=native)
    assert (told.rank, told.pid) == (rank.rank, rank.pid)
    return told


async def test_ranks_that_wait_in_python_and_in_c_tell_themselves_and_live_on(
    folder: TaskFolder, start: Start
) -> None:
    ranks = [start(DEADLOCKED, 0), start(HOLDING_THE_GIL, 1)]
    first, second = await stacks.take(folder, ranks)
    assert (first.method, second.method) == ("faulthandler", "faulthandler")
    assert "in deadlocked" in first.text
    assert "in wait" in first.text, "the second thread"
    assert "in stuck_in_c" in second.text
    assert [told.state for told in (first, second)] == ["sleeping", "sleeping"]

    again = await of(folder, ranks[0])
    assert again.text == first.text, "only what was appended since"
    assert [letter(rank) for rank in ranks] == ["S", "S"]


async def test_a_rank_that_writes_to_its_log_is_understood(
    folder: TaskFolder, start: Start
) -> None:
    (folder.path / "stacks").rmdir()
    (folder.path / "stacks").write_text("in the way\n")
    told = await of(folder, start("print('a print')\n" + DEADLOCKED))
    assert told.method == "faulthandler"
    assert "in deadlocked" in told.text
    assert "a print" not in told.text


async def test_a_rank_that_became_another_python_is_read_and_not_signalled(
    folder: TaskFolder, start: Start
) -> None:
    rank = start(REPLACED_BY_PYTHON)
    assert not stacks.has_handler(rank.pid)
    told = await of(folder, rank)
    assert told.method == "py-spy"
    assert "another_program" in told.text
    assert folder.stacks(0).read_text() == ""


async def test_a_rank_that_became_no_python_says_why_there_is_nothing(
    folder: TaskFolder, start: Start
) -> None:
    rank = start(REPLACED)
    until(lambda: not stacks.has_handler(rank.pid))
    told = await of(folder, rank)
    assert told.method is None
    assert told.text.startswith("it has no handler for stacks; py-spy --nonblocking: ")
    assert len(told.text.splitlines()) == 1
    assert letter(rank) == "S"


async def test_a_stopped_rank_is_read_and_stays_stopped(folder: TaskFolder, start: Start) -> None:
    rank = start(DEADLOCKED)
    os.kill(rank.pid, signal.SIGSTOP)
    until(lambda: letter(rank) == "T")
    told = await of(folder, rank, native=True)
    assert (told.state, told.method) == ("stopped", "py-spy")
    assert "deadlocked" in told.text
    assert letter(rank) == "T"
    assert folder.stacks(0).read_text() == ""


async def test_frames_of_c_are_shown_where_they_are_asked_for(
    folder: TaskFolder, start: Start
) -> None:
    told = await of(folder, start(HOLDING_THE_GIL), native=True)
    assert told.method == "py-spy --native"
    assert "stuck_in_c" in told.text
    assert "libc" in told.text
    assert "Process " not in told.text, "no command line"


async def test_a_rank_that_has_ended_and_one_that_took_its_pid(
    folder: TaskFolder, start: Start
) -> None:
    rank = start(DEADLOCKED)
    other = RankState(rank=0, pid=rank.pid, started=0.0, ticks=rank.ticks - 1)
    told = await of(folder, other)
    assert (told.state, told.text) == ("gone", "it ended, its exit code is not known")
    assert folder.stacks(0).read_text() == "", "the stranger was not signalled"

    os.kill(rank.pid, signal.SIGKILL)
    until(lambda: letter(rank) in descent.GONE)
    rank.exit_code = -9
    told = await of(folder, rank)
    assert (told.state, told.text) == ("gone", "it was killed by SIGKILL")


async def test_a_rank_without_a_noted_start_must_bear_the_mark_of_its_task(
    folder: TaskFolder, start: Start
) -> None:
    rank = start(DEADLOCKED)
    rank.ticks = 0
    assert (await of(folder, rank)).method == "faulthandler"
    stranger = TaskFolder(folder.path.with_name("a2"))
    assert (await of(stranger, rank)).state == "gone"


async def test_without_py_spy_one_line_says_so(
    folder: TaskFolder, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rank = start(REPLACED)
    until(lambda: not stacks.has_handler(rank.pid))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    told = await of(folder, rank)
    assert told.text == (
        "it has no handler for stacks; py-spy is not installed (pip install py-spy)"
    )


async def test_a_rank_that_does_not_answer_is_given_up_and_read(
    folder: TaskFolder, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "HANDLER_SECONDS", 0.1)
    script = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGURG])\n"
    told = await of(folder, start(script + "import time\n{up}\ntime.sleep(600)\n"))
    assert told.method == "py-spy"
    assert "script-0.py" in told.text


async def test_the_loop_goes_on_while_ranks_are_looked_at(
    folder: TaskFolder, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    rank = start(DEADLOCKED)
    os.kill(rank.pid, signal.SIGSTOP)
    taking = asyncio.create_task(stacks.take(folder, [rank]))
    turns = 0
    while not taking.done():
        turns += 1
        await asyncio.sleep(0.001)
    assert turns > 1
    assert (await taking)[0].rank == 0


async def test_without_ranks_there_is_nothing(folder: TaskFolder) -> None:
    assert await stacks.take(folder, []) == []
