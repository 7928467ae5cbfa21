"""kill -9 of a publisher leaves a whole artifact or none, and the next one succeeds."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llmos.engine.artifacts.manifest import manifest_of
from llmos.engine.artifacts.store import Store

RANDOM_MOMENTS = 15

PUBLISHER = """
import os, signal, sys
from pathlib import Path
from llmos.engine.artifacts.store import Store
store, renames = Store(sys.argv[1]), int(sys.argv[3])
def die(event, _):
    global renames
    if event != "os.rename":
        return
    renames -= 1
    if renames < 0:
        os.kill(os.getpid(), signal.SIGKILL)
if renames >= 0:
    sys.addaudithook(die)
print("ready", flush=True)
store.publish(Path(sys.argv[2]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    made.mkdir()
    for number in range(9):
        (made / f"{number}.bin").write_bytes(random.Random(number).randbytes(200_000))
    return made


def killed(store: Path, folder: Path, *, after: float = 0, renames: int = -1) -> None:
    """Publishes in a process that is killed so many seconds after its start, or at a rename."""
    command = [sys.executable, "-c", PUBLISHER, str(store), str(folder), str(renames)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        if renames < 0:
            time.sleep(after)
            process.kill()
    assert process.returncode in (-signal.SIGKILL, 0)


def check_whole_or_none_and_again(place: Path, folder: Path) -> bool:
    """Whether it had been whole."""
    store, digest = Store(place), manifest_of(folder).digest
    whole = store.has(digest)
    if whole:
        assert store.verify(digest) == []
    assert store.publish(folder).digest == digest
    assert store.verify(digest) == []
    store.remove_unneeded({digest}, dry_run=False, older_than=0)
    assert store.verify(digest) == []
    assert sorted((place / "temporary").iterdir()) == []
    return whole


@pytest.mark.parametrize("renames", range(10))
def test_killed_before_each_rename(tmp_path: Path, folder: Path, renames: int) -> None:
    killed(tmp_path / "store", folder, renames=renames)
    assert len(list((tmp_path / "store/objects").glob("*/*"))) == renames
    assert len(list((tmp_path / "store/temporary").iterdir())) == 1
    assert not check_whole_or_none_and_again(tmp_path / "store", folder)


@pytest.mark.parametrize("seed", range(RANDOM_MOMENTS))
def test_killed_at_any_moment(tmp_path: Path, folder: Path, seed: int) -> None:
    start = time.monotonic()
    Store(tmp_path / "other").publish(folder)
    usual = time.monotonic() - start
    killed(tmp_path / "store", folder, after=random.Random(seed).uniform(0, 1.2 * usual))
    check_whole_or_none_and_again(tmp_path / "store", folder)
