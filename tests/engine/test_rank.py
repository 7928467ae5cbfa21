"""rank.py: a rank's log, its stacks, and a program that cannot tell it from python itself."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import llmos.engine

RANK = Path(llmos.engine.__path__[0], "rank.py")

SHOW = """
import __main__, json, sys
print(json.dumps([
    sys.argv, sys.path[0], __name__, __file__, __package__, __main__.__file__,
    __spec__ and __spec__.name, sorted(vars(__main__)), __main__.__dict__ is globals(), __doc__,
]))
"""


def python(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "LLMOS_TASK"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def same(cwd: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the program does under rank.py, after it was compared with python alone."""
    alone = python(*arguments, cwd=cwd, **environment)
    ranked = python(str(RANK), *arguments, cwd=cwd, **environment)
    assert ranked.stdout == alone.stdout
    assert ranked.stderr == alone.stderr
    assert ranked.returncode == alone.returncode
    return ranked


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    package = tmp_path / "code" / "package"
    package.mkdir(parents=True)
    (tmp_path / "code" / "show.py").write_text(f'"""What it is for."""{SHOW}')
    (tmp_path / "code" / "link.py").symlink_to(tmp_path / "code" / "package" / "module.py")
    (package / "__init__.py").touch()
    (package / "module.py").write_text(SHOW)
    (package / "__main__.py").write_text(SHOW)
    (tmp_path / "code" / "fail.py").write_text(
        "def deep():\n"
        "    try:\n        1 / 0\n"
        "    except ZeroDivisionError as error:\n        raise ValueError('häh') from error\n"
        "deep()\n"
    )
    (tmp_path / "code" / "syntax.py").write_text("a = (\n")
    (tmp_path / "code" / "latin.py").write_bytes(b"# coding: latin-1\nprint(ascii('\xe9'))\n")
    (tmp_path / "code" / "leave.py").write_text("import sys\nsys.exit(sys.argv[1])")
    (tmp_path / "code" / "code.py").write_text("import sys\nsys.exit(int(sys.argv[1]))")
    (tmp_path / "code" / "interrupt.py").write_text("raise KeyboardInterrupt")
    (tmp_path / "code" / "late.py").write_text(
        "import atexit, sys\nclass Kept: pass\n"
        "atexit.register(lambda: print(sys.modules['__main__'].Kept.__name__))\n"
    )
    (tmp_path / "code" / "pool.py").write_text(
        "import multiprocessing\ndef double(x): return 2 * x\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(double, [1, 2]))\n"
    )
    return tmp_path / "code"


@pytest.mark.parametrize(
    "arguments",
    [
        ["show.py", "--lr", "1"],
        ["./show.py"],
        ["package/module.py", "a b"],
        ["link.py"],
        ["-m", "package.module", "-m", "x"],
        ["-m", "package"],
        ["-m", "no_such_module"],
        ["-m", "package.absent"],
        ["no_such_script.py"],
        ["fail.py"],
        ["syntax.py"],
        ["latin.py"],
        ["leave.py", "for a reason"],
        ["code.py", "7"],
        ["interrupt.py"],
        ["late.py"],
        ["pool.py"],
    ],
    ids=" ".join,
)
def test_a_program_cannot_tell_rank_from_python(scripts: Path, arguments: list[str]) -> None:
    same(scripts, *arguments)


def test_a_safe_path_stays_safe(scripts: Path) -> None:
    same(scripts, "show.py", PYTHONSAFEPATH="1")


def test_the_engines_folder_is_not_on_the_path(scripts: Path) -> None:
    (scripts / "seek.py").write_text("import sys\nprint(sys.path)\nimport catalog\n")
    ended = same(scripts, "seek.py")
    assert "No module named 'catalog'" in ended.stderr


def test_output_goes_to_the_ranks_own_log(scripts: Path, tmp_path: Path) -> None:
    task = tmp_path / "task"
    (scripts / "say.py").write_text(
        "import os, sys\nprint('printed')\nprint('complained', file=sys.stderr)\n"
        "os.system('echo from a child')\nraise SystemExit(3)\n"
    )
    for _ in range(2):
        ended = python(str(RANK), "say.py", cwd=scripts, LLMOS_TASK=str(task), RANK="5")
        assert (ended.returncode, ended.stdout, ended.stderr) == (3, "", "")
    log = (task / "logs" / "rank-5.log").read_text()
    assert log == "printed\ncomplained\nfrom a child\n" * 2


def test_a_log_that_cannot_be_written_is_said(scripts: Path) -> None:
    ended = python(str(RANK), "show.py", cwd=scripts, LLMOS_TASK="/dev/null", RANK="2")
    assert ended.returncode == 1
    assert ended.stderr.startswith("rank 2 cannot write its log /dev/null/logs/rank-2.log: ")
    assert ended.stderr.count("\n") == 1


def test_without_a_program_it_says_how_it_is_used(tmp_path: Path) -> None:
    ended = python(str(RANK), cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("usage: rank.py")


def test_a_signal_brings_the_stacks_to_their_file_and_ends_nothing(
    scripts: Path, tmp_path: Path
) -> None:
    log = tmp_path / "task" / "logs" / "rank-0.log"
    stacks = tmp_path / "task" / "stacks" / "rank-0.txt"
    (scripts / "wait.py").write_text(
        "import time\ndef stuck():\n    print('here', flush=True)\n    time.sleep(60)\nstuck()\n"
    )
    with subprocess.Popen(
        [sys.executable, str(RANK), "wait.py"],
        cwd=scripts,
        env=os.environ | {"LLMOS_TASK": str(tmp_path / "task"), "RANK": "0"},
    ) as process:
        wait_for(log, "here")
        process.send_signal(signal.SIGURG)
        wait_for(stacks, "in stuck")
        assert process.poll() is None
        process.terminate()
    assert process.returncode == -signal.SIGTERM
    assert "Current thread" in stacks.read_text()
    assert log.read_text() == "here\n"


@pytest.mark.parametrize(
    ("program", "code", "exception"),
    [
        ("pass", 0, None),
        ("import sys; sys.exit(7)", 7, None),
        ("import sys; sys.exit('words')", 1, None),
        ("raise ValueError('boo')", 1, "ValueError: boo"),
    ],
)
def test_a_rank_says_how_it_ended(
    scripts: Path, tmp_path: Path, program: str, code: int, exception: str | None
) -> None:
    (scripts / "ends.py").write_text(program)
    ended = python(str(RANK), "ends.py", cwd=scripts, LLMOS_TASK=str(tmp_path), RANK="3")
    note = json.loads((tmp_path / "exits" / "rank-3.json").read_text())
    assert (ended.returncode, note["exit_code"], note["exception"]) == (code, code, exception)


def test_two_ranks_under_torchs_launcher(scripts: Path, tmp_path: Path) -> None:
    task = tmp_path / "task"
    (scripts / "both.py").write_text(
        "import os, sys\nprint(os.environ['RANK'], os.environ['WORLD_SIZE'], sys.argv)\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    launcher = ["-m", "torch.distributed.run", "--nnodes", "1", "--nproc-per-node", "2"]
    address = ["--master-addr", "127.0.0.1", "--master-port", port, "--max-restarts", "0"]
    ended = python(
        *launcher, *address, str(RANK), "both.py", "--lr", "1", cwd=scripts, LLMOS_TASK=str(task)
    )
    assert ended.returncode == 0, ended.stderr
    for rank in (0, 1):
        log = (task / "logs" / f"rank-{rank}.log").read_text()
        assert log == f"{rank} 2 ['both.py', '--lr', '1']\n"


def test_it_needs_the_standard_library_alone(scripts: Path) -> None:
    (scripts / "list.py").write_text("import sys\nprint('llmos' in sys.modules)")
    ended = python("-I", "-S", str(RANK), str(scripts / "list.py"), cwd=scripts)
    assert ended.stdout == "False\n"
    assert not re.search(r"^(from|import) (llmos|\.)", RANK.read_text(), re.MULTILINE)


def wait_for(path: Path, text: str) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if path.exists() and text in path.read_text():
            return
        time.sleep(0.02)
    raise AssertionError(f"{text!r} never came to {path}")
