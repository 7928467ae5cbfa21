"""Where an agent keeps its state and listens."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmos.agents import locations
from llmos.agents.errors import StateFolderError
from llmos.agents.locations import SOCKET_PATH_LIMIT, find, mounted_at
from llmos.tests.agents.mounts import small_disk

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw shared:2 - proc proc rw
24 22 0:40 / /home rw shared:3 master:1 - nfs4 server:/home rw,vers=4.2
25 24 0:41 / /home/u/local\\040disk rw - xfs /dev/sdb1 rw
26 22 0:42 / /mnt/a rw - autofs systemd-1 rw
27 26 0:43 / /mnt/a rw - nfs server:/a rw
28 22 0:44 / /srv\\134odd\\011name rw - fuse.sshfs me@host: rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/homes/u", "ext4"),
        ("/home", "nfs4"),
        ("/home/u/.local/state", "nfs4"),
        ("/home/u/local disk/x", "xfs"),
        ("/home/u/local", "nfs4"),
        ("/mnt/a/b", "nfs"),
        ("/srv\\odd\tname/x", "fuse.sshfs"),
    ],
)
def test_the_file_system_of_a_path(path: str, kind: str):
    assert mounted_at(path, MOUNTS) == kind


def test_nothing_mounted_is_not_known():
    assert mounted_at("/x", "") is None
    assert locations.file_system(Path("/proc/self")) == "proc"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user whose folders are all below one."""
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("LLMOS_STATE", raising=False)
    return tmp_path


def permissions(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_usual_state_is_per_host_and_private(home: Path):
    found = find()
    assert found.state == home / "state" / "llmos" / locations.machine_id()
    assert found.socket == home / "runtime" / "llmos" / "agent.sock"
    assert found.moved_from is None
    assert permissions(found.state) == permissions(found.socket.parent) == 0o700


def test_a_chosen_folder_holds_the_socket_too(home: Path, monkeypatch: pytest.MonkeyPatch):
    assert find(home / "a").socket == home / "a" / "agent.sock"
    monkeypatch.setenv("LLMOS_STATE", str(home / "b"))
    assert find().state == home / "b"
    assert find(home / "a").state == home / "a"
    assert list((home / "a").iterdir()) == []


def test_a_folder_whose_name_is_too_long_for_a_socket(home: Path):
    long = home / ("x" * SOCKET_PATH_LIMIT)
    found = find(long)
    assert found.state == long
    assert found.socket.parent == home / "runtime" / "llmos"
    assert len(os.fsencode(found.socket)) <= SOCKET_PATH_LIMIT
    assert find(home / ("y" * SOCKET_PATH_LIMIT)).socket != found.socket


@pytest.mark.parametrize("runtime", ["missing", "x" * SOCKET_PATH_LIMIT])
def test_without_a_runtime_folder_that_can_be_used(
    home: Path, monkeypatch: pytest.MonkeyPatch, runtime: str
):
    if runtime != "missing":
        (home / runtime).mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / runtime))
    assert find().socket == Path(f"/tmp/llmos-{os.getuid()}/agent.sock")


def test_the_usual_runtime_folder_is_meant_where_none_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    (home / str(os.getuid())).mkdir()
    monkeypatch.setattr(locations, "RUNTIME_FOLDERS", home)
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert find().socket == home / str(os.getuid()) / "llmos" / "agent.sock"


def test_state_on_a_network_file_system_is_moved(home: Path, monkeypatch: pytest.MonkeyPatch):
    private = home / "var"
    monkeypatch.setattr(locations, "file_system", lambda path: "nfs4")
    monkeypatch.setattr(locations, "_private", lambda folder, advice: private)
    found = find()
    assert found.state == private / locations.machine_id()
    assert found.moved_from == home / "state" / "llmos" / locations.machine_id()
    assert not found.moved_from.exists()


def test_a_network_file_system_that_a_person_chose_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(locations, "file_system", lambda path: "lustre")
    with pytest.raises(StateFolderError, match=r"network file system \(lustre\).*local disk"):
        find(home / "a")
    assert not (home / "a").exists()


@pytest.mark.parametrize("what", ["file", "open to others", "link"])
def test_a_socket_folder_that_is_not_ours_alone_is_refused(home: Path, what: str):
    folder = home / "runtime" / "llmos"
    if what == "file":
        folder.write_text("")
    elif what == "link":
        (home / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(home / "elsewhere")
    else:
        folder.mkdir()
        folder.chmod(0o750)
    with pytest.raises(StateFolderError, match="XDG_RUNTIME_DIR"):
        find()


@pytest.mark.parametrize("below", ["file", "file/deeper"])
def test_a_state_folder_that_cannot_be_made_is_one_line(home: Path, below: str):
    (home / "file").write_text("")
    with pytest.raises(StateFolderError, match="name another with --state") as raised:
        find(home / below)
    assert "\n" not in str(raised.value)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    yield from small_disk(tmp_path / "disk", full=True)


def test_a_full_disk_is_one_line(full: Path):
    with pytest.raises(StateFolderError, match="No space left on device; free space"):
        find(full)
    assert [path.name for path in full.iterdir()] == ["filling"]


def test_the_store_of_artifacts_is_a_private_folder_unless_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("LLMOS_ARTIFACTS", raising=False)
    found = find(tmp_path / "my state")
    for _ in range(2):
        assert locations.artifact_store(found) == f"file://{tmp_path}/my state/artifacts"
    assert found.artifacts.stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("LLMOS_ARTIFACTS", "s3://bucket/x")
    assert locations.artifact_store(found) == "s3://bucket/x"


def test_a_store_that_cannot_be_made_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("LLMOS_ARTIFACTS", raising=False)
    found = find(tmp_path)
    found.artifacts.touch()
    with pytest.raises(StateFolderError, match="another store with LLMOS_ARTIFACTS"):
        locations.artifact_store(found)
