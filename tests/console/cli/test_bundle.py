"""`llmos bundle`: one file with all that is known of a job, and never half of one."""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmos.agents.errors import UsageError
from llmos.console.cli.bundle import new_file
from llmos.tests.conftest import FrontDoor

Spec = Callable[[str], str]
Until = Callable[[str, str], dict[str, Any]]

SECRET = "hf_0123456789abcdef"


def contents(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        files = {}
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            files[member.name] = content.read()
    return files


def test_an_ended_job_is_saved_without_the_secret_that_it_printed(
    llmos: FrontDoor, spec: Spec, until_state: Until, tmp_path: Path
) -> None:
    llmos.environment |= {"HF_TOKEN": SECRET}
    job = llmos("submit", spec("import os\nprint('with', os.environ['HF_TOKEN'])")).strip()
    until_state(job, "succeeded")

    saved = llmos.run("bundle", job, cwd=tmp_path)
    assert saved.stdout == "llmos-job-1.tar.gz\n"
    assert saved.stderr.startswith("job 1: ")
    path = tmp_path / "llmos-job-1.tar.gz"
    assert path.stat().st_mode & 0o777 == 0o600
    files = contents(path)
    assert files["llmos-job-1/a1/logs/rank-0.log"] == b"with (not stored)\n"
    assert json.loads(files["llmos-job-1/job.json"])["summary"]["state"] == "succeeded"
    assert all(SECRET.encode() not in content for content in files.values())

    before = path.read_bytes()
    assert llmos.run("bundle", job, cwd=tmp_path, code=2).stderr == (
        "llmos: llmos-job-1.tar.gz is there already; "
        "name another file with -o, or replace it with --force\n"
    )
    assert path.read_bytes() == before
    path.write_bytes(b"")
    llmos("bundle", job, "--force", cwd=tmp_path)
    assert contents(path).keys() == files.keys()
    assert not list(tmp_path.glob(".llmos-job-*"))


def test_of_a_running_job_the_stacks_are_in_it(
    llmos: FrontDoor, spec: Spec, until_state: Until, tmp_path: Path
) -> None:
    up = tmp_path / "up"
    script = f"import time\nopen({str(up)!r}, 'w').close()\ndef waits(): time.sleep(600)\nwaits()"
    job = llmos("submit", spec(script)).strip()
    while not up.exists():
        until_state(job, "running")
    folder = tmp_path / "bundles"
    folder.mkdir()
    assert llmos("bundle", job, "-o", str(folder)) == f"{folder}/llmos-job-1.tar.gz\n"
    (told,) = json.loads(contents(folder / "llmos-job-1.tar.gz")["llmos-job-1/stacks.json"])
    assert "waits" in told["text"]
    llmos("stop", job)
    until_state(job, "stopped")


def test_of_a_job_that_is_not_there_no_file_is_left(llmos: FrontDoor, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    said = llmos.error("bundle", "9", "-o", str(output / "x"), code=1)
    assert said == "there is no job 9; `llmos jobs` lists them"
    assert list(output.iterdir()) == []


def test_a_file_that_comes_up_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x"

    def too_late() -> None:
        with new_file(path, replace=False) as new:
            new.write(b"ours")
            path.write_bytes(b"theirs")

    with pytest.raises(UsageError, match="is there already"):
        too_late()
    assert path.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_broken_off_leaves_nothing(tmp_path: Path) -> None:
    def broken_off() -> None:
        with new_file(tmp_path / "x", replace=True) as new:
            new.write(b"half")
            raise ConnectionError

    with pytest.raises(ConnectionError):
        broken_off()
    assert list(tmp_path.iterdir()) == []
