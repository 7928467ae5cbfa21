"""The mark of a task, on real processes."""

import os
import subprocess
import sys

from llmos.agents.node.task import mark

BEARS = """
import os, subprocess, sys, time
from pathlib import Path
from llmos.agents.node.task import mark
mark.bear(Path(sys.argv[1]))
quiet = subprocess.DEVNULL
away = {"env": {}, "start_new_session": True, "stdout": quiet, "stderr": quiet}
child = subprocess.Popen(["/bin/sleep", "600"], **away)
print(child.pid, flush=True)
"""


def test_a_process_is_found_by_its_mark(tmp_path):
    environment = {**os.environ, "LLMOS_TASK": str(tmp_path)}
    with subprocess.Popen(["sleep", "600"], env=environment) as child:
        assert [process.pid for process in mark.marked(tmp_path)] == [child.pid]
        assert mark.marked(tmp_path / "other") == []
        child.kill()


def test_a_process_without_the_mark_is_found_by_what_it_writes_to(tmp_path):
    with (tmp_path / "log").open("w") as log, subprocess.Popen(["sleep", "600"], stderr=log) as it:
        assert [process.pid for process in mark.marked(tmp_path)] == [it.pid]
        assert mark.kill_marked(tmp_path) == []
        assert it.wait() == -9


def test_a_limit_marks_what_left_session_parent_and_environment(tmp_path):
    command = [sys.executable, "-c", BEARS, str(tmp_path)]
    orphan = int(subprocess.run(command, check=True, capture_output=True).stdout)
    try:
        assert [process.pid for process in mark.marked(tmp_path)] == [orphan]
        assert mark.marked(tmp_path / "other") == []
        assert mark.kill_marked(tmp_path, spare=[orphan]) == []
        assert [process.pid for process in mark.marked(tmp_path)] == [orphan]
    finally:
        assert mark.kill_marked(tmp_path) == []
    assert mark.marked(tmp_path) == []
