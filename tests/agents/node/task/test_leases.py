"""GPU leases: locks between real processes, of one user and of two."""

import contextlib
import fcntl
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from llmos.agents.errors import LaunchError, StateFolderError
from llmos.agents.node.task import descent, locks
from llmos.agents.node.task.leases import Holder, Leases

A, B, C = "GPU-aaaa", "GPU-bbbb", "MIG-cccc"
STRANGER = 61_004
"""A uid that nobody has."""

HOLDS = """
import os, subprocess, sys
from pathlib import Path
from llmos.agents.node.task.leases import Leases
lease = Leases(Path(sys.argv[1])).take(sys.argv[3:], "7")
print("took" if lease else "refused", flush=True)
if lease and sys.argv[2] == "child":
    child = subprocess.Popen(["sleep", "600"], pass_fds=lease.descriptors)
    lease.hand_over(child.pid)
    print(child.pid, flush=True)
sys.stdin.read()
"""


class Agent:
    """Another process that takes leases, and holds them until it ends."""

    def __init__(self, folder: Path, mode: str, *uuids: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDS, str(folder), mode, *uuids],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Callable[..., Agent]]:
    started: list[Agent] = []

    def start(mode: str, *uuids: str) -> Agent:
        started.append(Agent(tmp_path / "leases", mode, *uuids))
        return started[-1]

    yield start
    for running in started:
        running.kill()
        for pipe in (running.process.stdin, running.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def ours(tmp_path: Path) -> Leases:
    return Leases(tmp_path / "leases")


@pytest.fixture
def shared() -> Iterator[Leases]:
    """In a place that every user can reach."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)
        yield Leases(Path(folder) / "leases")


def as_stranger(act: Callable[[], bool]) -> bool:
    """What another user's process finds, in a fork of this one."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    child = os.fork()
    if child == 0:
        code = 2
        with contextlib.suppress(BaseException):
            os.umask(0o077)
            os.setgroups([])
            os.setgid(STRANGER)
            os.setuid(STRANGER)
            code = 0 if act() else 1
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 1), "it raised"
    return code == 0


def test_a_gpu_is_one_job_s_until_it_is_released(ours: Leases) -> None:
    first = ours.take([B, A], "1")
    assert first is not None
    assert first.uuids == [A, B]
    assert all(os.get_inheritable(descriptor) for descriptor in first.descriptors)
    assert Leases(ours.folder).take([B], "2") is None
    first.release()
    second = Leases(ours.folder).take([B], "2")
    assert second is not None
    second.release()


def test_all_or_none(ours: Leases) -> None:
    lease = ours.take([B], "1")
    assert lease is not None
    assert ours.take([A, B, C], "2") is None
    assert ours.holder(A) is None
    assert ours.holder(C) is None
    lease.release()


def test_no_gpu_needs_no_lease_and_no_folder(ours: Leases) -> None:
    lease = ours.take([], "1")
    assert lease is not None
    assert lease.descriptors == []
    assert ours.holder(A) is None
    assert not ours.folder.exists()


def test_the_holder_is_told_and_an_onlooker_takes_nothing(ours: Leases) -> None:
    lease = ours.take([A], "12")
    assert lease is not None
    holder = ours.holder(A)
    assert holder is not None
    assert (holder.pid, holder.uid, holder.job) == (os.getpid(), os.getuid(), "12")
    assert holder.user
    assert holder.runs()
    lease.release()
    assert ours.holder(A) is None
    assert [ours.holder(A) for _ in range(3)] == [None] * 3
    again = ours.take([A], "13")
    assert again is not None
    again.release()


def test_who_only_looks_is_in_nobody_s_way(ours: Leases, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = ours.take([A], "1")
    assert lease is not None
    lease.release()
    onlooker = os.open(ours.folder / A, os.O_RDONLY)
    fcntl.flock(onlooker, fcntl.LOCK_SH)
    lock = locks.lock

    def meanwhile(descriptor: int, kind: int) -> bool:
        locked = lock(descriptor, kind)
        if kind == fcntl.LOCK_SH:
            fcntl.flock(onlooker, fcntl.LOCK_UN)
        return locked

    monkeypatch.setattr(locks, "lock", meanwhile)
    lease = ours.take([A], "2")
    os.close(onlooker)
    assert lease is not None
    lease.release()


def test_a_process_forked_while_somebody_looks_does_not_get_the_gpu(
    ours: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = ours.take([A], "1")
    assert lease is not None
    lease.release()
    lock, forked = locks.lock, []

    def forks_meanwhile(descriptor: int, kind: int) -> bool:
        forked.append(os.dup(descriptor))
        return lock(descriptor, kind)

    with monkeypatch.context() as patch:
        patch.setattr(locks, "lock", forks_meanwhile)
        assert ours.holder(A) is None
    lease = ours.take([A], "2")
    assert lease is not None
    lease.release()
    os.close(*forked)


def test_of_two_processes_one_gets_it(ours: Leases, agent: Callable[..., Agent]) -> None:
    contenders = [agent("alone", A, B), agent("alone", B, A)]
    assert sorted(each.line() for each in contenders) == ["refused", "took"]
    assert ours.take([A], "3") is None
    for each in contenders:
        each.kill()
    lease = ours.take([A, B], "3")
    assert lease is not None
    lease.release()


def test_what_inherited_a_lease_keeps_it(ours: Leases, agent: Callable[..., Agent]) -> None:
    launching = agent("child", A)
    assert launching.line() == "took"
    child = int(launching.line())
    process = descent.Process(child, descent.status(child).process.ticks)  # type: ignore[union-attr]
    launching.kill()
    held, refused = ours.holder(A), ours.take([A], "8")
    descent.send(process, signal.SIGKILL)
    assert held is not None
    assert (held.pid, held.job, refused) == (child, "7", None)
    while (lease := ours.take([A], "8")) is None:  # the kernel lets go of it as the process ends
        time.sleep(0.01)
    lease.release()


def test_a_process_that_took_it_and_died_is_said_to_be_gone(ours: Leases) -> None:
    lease = ours.take([A], "1")
    assert lease is not None
    gone = subprocess.Popen(["true"])
    lease.name(gone.pid)
    gone.wait()
    holder = ours.holder(A)
    assert holder is not None
    assert holder.pid == gone.pid
    assert not holder.runs()
    lease.release()


def test_a_pid_that_is_used_again_is_not_the_holder() -> None:
    assert not Holder(pid=os.getpid(), ticks=1).runs()
    assert Holder(pid=os.getpid(), ticks=descent.itself().ticks).runs()
    assert not Holder().runs()


def test_two_users_agree(shared: Leases) -> None:
    lease = shared.take([A], "1")
    assert lease is not None
    assert stat.S_IMODE(shared.folder.stat().st_mode) == 0o1777
    assert stat.S_IMODE((shared.folder / A).stat().st_mode) == 0o666

    def sees() -> bool:
        holder = shared.holder(A)
        named = holder is not None and (holder.pid, holder.uid) == (os.getppid(), 0)
        return named and shared.take([A], "1") is None

    assert as_stranger(sees)
    lease.release()

    def gets() -> bool:
        return shared.holder(A) is None and shared.take([A, B], "1") is not None

    assert as_stranger(gets)
    lease = shared.take([B], "2")
    assert lease is not None
    lease.release()


def test_a_folder_that_a_stranger_made_is_everybody_s(shared: Leases) -> None:
    assert as_stranger(lambda: shared.take([A], "1") is not None)
    assert shared.folder.stat().st_uid == STRANGER
    assert [path.name for path in shared.folder.parent.iterdir()] == ["leases"]
    lease = shared.take([A], "1")
    assert lease is not None
    lease.release()


def test_a_closed_folder_is_told(shared: Leases) -> None:
    shared.folder.mkdir(0o700)

    def is_told() -> bool:
        try:
            shared.take([A], "1")
        except StateFolderError as error:
            return "Permission denied" in str(error) and "LLMOS_LEASES" in str(error)
        return False

    assert as_stranger(is_told)


@pytest.mark.parametrize("uuid", ["", "..", "../x", "a/b", "GPU 1", "GPU-\n", "GPU-ä", "G" * 101])
def test_only_what_looks_like_a_uuid_becomes_a_file(ours: Leases, uuid: str) -> None:
    with pytest.raises(LaunchError, match="is no UUID of a GPU"):
        ours.take([A, uuid], "1")
    with pytest.raises(LaunchError, match="is no UUID of a GPU"):
        ours.holder(uuid)
    assert not ours.folder.exists()


@pytest.mark.parametrize("kind", ["symlink", "hard link", "pipe", "folder"])
def test_what_is_no_plain_file_is_refused_and_left_alone(
    ours: Leases, tmp_path: Path, kind: str
) -> None:
    victim, path = tmp_path / "victim", ours.folder / A
    victim.write_text("precious")
    ours.folder.mkdir()
    make: dict[str, Callable[[], None]] = {
        "symlink": lambda: path.symlink_to(victim),
        "hard link": lambda: path.hardlink_to(victim),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
    }
    make[kind]()
    for act in (lambda: ours.take([B, A], "1"), lambda: ours.holder(A)):
        with pytest.raises(StateFolderError, match=A):
            act()
    assert victim.read_text() == "precious"
    assert ours.holder(B) is None


def test_a_folder_that_is_none_is_refused(ours: Leases, tmp_path: Path) -> None:
    ours.folder.symlink_to(tmp_path)
    for act in (lambda: ours.take([A], "1"), lambda: ours.holder(A)):
        with pytest.raises(StateFolderError, match="is no folder: remove it"):
            act()


def test_a_lease_that_was_removed_meanwhile_is_not_taken_for_one(
    ours: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, lock_alone = ours.folder / A, locks.lock_alone

    def removed_first(descriptor: int) -> bool:
        monkeypatch.undo()
        path.unlink()
        return lock_alone(descriptor)

    monkeypatch.setattr(locks, "lock_alone", removed_first)
    lease = ours.take([A], "1")
    assert lease is not None
    assert ours.holder(A) is not None
    lease.release()


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"", Holder()),
        (b"\xff\xfe", Holder()),
        (b'{"pid": "rm"}', Holder()),
        (b'{"pid": -1, "uid": 5}\nrest', Holder(uid=5)),
        (b'{"pid": 99999999999999, "job": "7"}', Holder(job="7")),
        (b'{"user": "\\u001b[2J", "job": "%s"}' % (b"9" * 65), Holder()),
        (b'{"job": "%s"}' % (b"9" * 5000), Holder()),
    ],
)
def test_what_a_stranger_wrote_is_not_trusted(ours: Leases, written: bytes, shown: Holder) -> None:
    lease = ours.take([A], "1")
    assert lease is not None
    (ours.folder / A).write_bytes(written)
    assert ours.holder(A) == shown
    lease.release()


def test_a_shorter_record_leaves_nothing_of_a_longer_one(ours: Leases) -> None:
    for job in ("1" * 60, "2"):
        lease = ours.take([A], job)
        assert lease is not None
        lease.release()
    said = msgspec.json.decode((ours.folder / A).read_bytes(), type=Holder)
    assert said.job == "2"


def test_the_folder_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.setenv("LLMOS_LEASES", str(tmp_path / "link" / "here"))
    assert Leases().folder == tmp_path.resolve() / "here"
    monkeypatch.delenv("LLMOS_LEASES")
    assert Leases().folder.name == "llmos-leases"
