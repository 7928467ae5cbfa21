"""A rank's way out while gloo's threads still run: nothing of the program is lost, nor its code."""

import subprocess
import sys
from pathlib import Path

import pytest

from llmos.engine import rank

GLOO = """\
import atexit, sys, threading, time
import torch
import torch.distributed as dist

dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
group = dist.group.WORLD
dist.all_reduce(torch.ones(2))
dist.destroy_process_group()
left_open = open("left_open.txt", "w")
left_open.write("all of it")
atexit.register(print, "from atexit")
threading.Thread(target=lambda: (time.sleep(0.2), print("from a thread"))).start()
"""


@pytest.mark.parametrize(
    ("last", "code", "said"),
    [
        ("", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('no data')", 1, "no data\n"),
        ("raise ValueError('of the program')", 1, "ValueError: of the program\n"),
    ],
)
def test_a_rank_with_gloo_ends_as_python_would(
    tmp_path: Path, last: str, code: int, said: str
) -> None:
    (tmp_path / "script.py").write_text(GLOO + last)
    done = subprocess.run(
        [sys.executable, rank.__file__, "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert done.stdout == "from a thread\nfrom atexit\n"
    assert done.stderr.endswith(said)
    assert "engine/rank.py" not in done.stderr
    assert (tmp_path / "left_open.txt").read_text() == "all of it"


def test_the_workers_are_seen(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        f"import sys; sys.path.insert(0, {str(Path(rank.__file__).parent)!r})\n"
        "import rank\n"
        "assert not rank.gloo_runs()\n" + GLOO + "assert rank.gloo_runs()\n"
    )
    command = [sys.executable, "script.py"]
    # Its own end is python's, which may abort: what it asserts fails with 1.
    assert subprocess.run(command, cwd=tmp_path, timeout=60, check=False).returncode != 1
