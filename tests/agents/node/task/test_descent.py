"""Processes below a process, however far they went."""

import os
import signal
import subprocess
import sys

import pytest

from llmos.agents.node.task import descent

FAMILY = """
import os, sys, time
first = os.fork()
if first == 0:
    second = os.fork()
    if second == 0:
        os.setsid()
    os.write(1, b'%d\\n' % os.getpid())
    time.sleep(600)
os.write(1, b'%d\\n' % os.getpid())
time.sleep(600)
"""


@pytest.fixture
def family():
    """A process with a child and a grandchild in a session of its own."""
    root = subprocess.Popen([sys.executable, "-c", FAMILY], stdout=subprocess.PIPE, text=True)
    assert root.stdout is not None
    try:
        yield root, {int(root.stdout.readline()) for _ in range(3)}
    finally:
        descent.kill_below(root.pid)
        root.kill()
        root.stdout.close()
        root.wait()


def test_all_below_are_found_and_only_they(family):
    root, pids = family
    below = {status.process.pid for status in descent.living_below(root.pid)}
    assert below == pids - {root.pid}
    assert all(descent.descends(pid, root.pid) for pid in below)
    assert not descent.descends(root.pid, root.pid)
    assert not descent.descends(os.getpid(), root.pid)
    (child,) = descent.children(root.pid)
    assert child in below


def test_all_below_are_killed_but_not_the_root(family):
    root, pids = family
    processes = {status.process for status in descent.living_below(root.pid)}
    assert descent.kill_below(root.pid) == []
    assert not any(descent.living(process) for process in processes)
    assert root.poll() is None
    assert pids


def test_a_spared_process_lives_and_what_is_below_it_does_not(family):
    root, _ = family
    (child,) = descent.children(root.pid)
    assert descent.kill_below(root.pid, spare=[child]) == []
    assert [status.process.pid for status in descent.living_below(root.pid)] == [child]


def test_a_pid_with_another_start_is_not_signalled():
    with subprocess.Popen(["sleep", "600"]) as child:
        found = descent.status(child.pid)
        assert found is not None
        there = found.process
        before = descent.Process(there.pid, there.ticks - 1)
        assert descent.open_process(before) is None
        assert not descent.send(before, signal.SIGKILL)
        assert not descent.living(before)
        assert child.poll() is None
        assert descent.send(there, signal.SIGKILL)
        assert child.wait() == -9


@pytest.mark.parametrize(("program", "code"), [("exit(3)", 3), ("import os; os.abort()", -6)])
def test_a_zombie_tells_its_exit_code(program: str, code: int):
    child = subprocess.Popen([sys.executable, "-c", program])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    found = descent.status(child.pid)
    assert found is not None
    assert found.exit_code == code
    assert child.wait() == code
    assert descent.status(child.pid) is None


def test_a_name_with_brackets_and_spaces_is_read(tmp_path):
    odd = tmp_path / "a) S 1 (b"
    odd.symlink_to("/bin/sleep")
    with subprocess.Popen([odd, "600"]) as child:
        found = descent.status(child.pid)
        assert found is not None
        assert (found.process.pid, found.parent) == (child.pid, os.getpid())
        child.kill()


def test_a_process_that_never_was(tmp_path):
    assert descent.status(2**22 + 1) is None
    assert descent.environment(2**22 + 1) == {}
    assert not descent.descends(2**22 + 1, 1)
