"""Who has a GPU: a lock on a file that bears its UUID, in one folder for all agents of a host.

The lock is a `flock`. It belongs to the opened file, not to a process, so it lives exactly as long
as one of the processes that inherited the descriptor: nothing has to be given back after a crash,
and agents of several users agree without trusting each other's records. What is written in the
file only tells people who holds it; anyone may write there, so nothing is decided by it.
"""

import contextlib
import os
import pwd
import re
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from ...errors import LaunchError, StateFolderError
from . import descent, locks

FOLDER: Final = Path("/dev/shm/llmos-leases")  # noqa: S108 — every user's agent must find it
"""A memory file system that every host has, and that is empty after a boot as the GPUs are."""

UUID: Final = re.compile(r"[A-Za-z0-9-]{1,100}")
"""What may become a file's name, as NVML's "GPU-…" and "MIG-…" do."""

FOLDER_MODE: Final = 0o1777
FILE_MODE: Final = 0o666
PLAIN: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""No link is followed, and a named pipe put in a file's place does not hang us."""

TRIES: Final = 20
PAUSE: Final = 0.001
"""Seconds, for the moment in which somebody else makes the same file."""

LONGEST_RECORD: Final = 1024
LONGEST_NAME: Final = 64


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who says to hold a lease; None for what was not said."""

    pid: int | None = None
    """Of the shim; until that is started, of the agent."""

    ticks: int | None = None
    """Its start, in clock ticks since the boot."""

    uid: int | None = None
    user: str | None = None
    job: str | None = None
    """As the agent that launched it numbers its jobs."""

    def runs(self) -> bool:
        """Whether that process still runs; if not, something that it started has the lease."""
        return self.pid is not None and runs(self.pid, self.ticks)


class Lease:
    """Some GPUs, held until the last process that has the descriptors is gone."""

    def __init__(self, uuids: list[str], job: str) -> None:
        self.uuids = uuids
        self.descriptors: list[int] = []
        """Inheritable on purpose: shim, launcher and ranks hold the GPUs by having them."""

        self._job = job

    def hand_over(self, pid: int) -> None:
        """To the process `pid`, which has inherited the descriptors: names it, and closes ours."""
        self.name(pid)
        self.release()

    def release(self) -> None:
        """Close our descriptors. Who has inherited them goes on holding the GPUs."""
        # Not unlocked: that would end the lock of those who inherited it.
        while self.descriptors:
            os.close(self.descriptors.pop())

    def name(self, pid: int) -> None:
        """Tell others that the process `pid` holds the GPUs."""
        found, uid = descent.status(pid), os.getuid()
        ticks = found.process.ticks if found else None
        holder = Holder(pid=pid, ticks=ticks, uid=uid, user=_user(uid), job=self._job)
        line = msgspec.json.encode(holder) + b"\n"
        for descriptor in self.descriptors:
            with contextlib.suppress(OSError):  # of a full disk: the lock holds all the same
                os.pwrite(descriptor, line, 0)
                os.ftruncate(descriptor, len(line))


class Leases:
    """The leases of this host's GPUs."""

    def __init__(self, folder: Path | None = None) -> None:
        """In `folder`, by default $LLMOS_LEASES or the one that all agents use.

        Nothing is made before the first lease is taken.
        """
        chosen = (folder or Path(os.environ.get("LLMOS_LEASES") or FOLDER)).absolute()
        self.folder = chosen.parent.resolve() / chosen.name
        """As /proc shows the paths of open files in it."""

    def take(self, uuids: Iterable[str], holder: str) -> Lease | None:
        """All of these GPUs for the job `holder`; None where one of them is not free.

        Waits for nobody. Raises StateFolderError where the folder or a file in it cannot be used,
        LaunchError for what is no UUID.
        """
        lease = Lease(sorted(set(uuids)), holder)
        paths = [self._path(uuid) for uuid in lease.uuids]
        try:
            for path in paths:
                with _told(path):
                    self._make_folder()
                    descriptor = _locked(path)
                if descriptor is None:
                    lease.release()
                    return None
                lease.descriptors.append(descriptor)
                os.set_inheritable(descriptor, True)
        except BaseException:
            lease.release()
            raise
        lease.name(os.getpid())
        return lease

    def holder(self, uuid: str) -> Holder | None:
        """Who has this GPU; None if it is free. Makes nothing, and raises as `take` does."""
        path = self._path(uuid)
        with _told(path):
            try:
                _check_folder(self.folder)
                descriptor = _checked(os.open(path, os.O_RDONLY | PLAIN), path)
            except FileNotFoundError:
                return None
            try:
                if not locks.is_free(descriptor):
                    return _read(descriptor)
            finally:
                os.close(descriptor)
        return None

    def _path(self, uuid: str) -> Path:
        if not UUID.fullmatch(uuid):
            raise LaunchError(f"{uuid!r} is no UUID of a GPU: it cannot be leased")
        return self.folder / uuid

    def _make_folder(self) -> None:
        """Open to all from its first moment, whatever the umask: others may be waiting for it."""
        try:
            return _check_folder(self.folder)
        except FileNotFoundError:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f"{self.folder.name}.", dir=self.folder.parent))
        try:
            made.chmod(FOLDER_MODE)
            made.rename(self.folder)
        except OSError:  # somebody else was first
            made.rmdir()
            _check_folder(self.folder)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Says in one line that a lease cannot be used, and what to do."""
    try:
        yield
    except OSError as error:
        raise StateFolderError(
            f"cannot use the GPU lease {path}: {error.strerror}; mend that, or name another "
            "folder for all agents of this host by LLMOS_LEASES"
        ) from error


def _check_folder(folder: Path) -> None:
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise StateFolderError(f"the folder for GPU leases {folder} is no folder: remove it")


def _checked(descriptor: int, path: Path) -> int:
    """The descriptor, if it is of a file that is nothing but a lease."""
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_nlink <= 1:
        return descriptor
    os.close(descriptor)
    raise StateFolderError(
        f"the GPU lease {path}, of uid {status.st_uid}, is no plain file: remove it"
    )


def _locked(path: Path) -> int | None:
    """The descriptor of a file, locked for us alone; None where another has it."""
    for _ in range(TRIES):
        descriptor = _open(path)
        if not locks.lock_alone(descriptor):
            os.close(descriptor)
            return None
        if _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # it was removed meanwhile, and nobody would find our lock
    raise StateFolderError(f"the GPU lease {path} is removed again and again: find out by whom")


def _open(path: Path) -> int:
    """The descriptor of a file, which is made if there is none."""
    tries = 0
    while True:
        try:
            return _open_or_make(path)
        except (FileExistsError, FileNotFoundError, PermissionError):
            # Another makes it at this moment, and has not opened it to all yet.
            tries += 1
            if tries == TRIES:
                raise
            time.sleep(PAUSE)


def _open_or_make(path: Path) -> int:
    # In a sticky folder the kernel refuses O_CREAT for a file that there is (protected_regular).
    try:
        return _checked(os.open(path, os.O_RDWR | PLAIN), path)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | PLAIN, FILE_MODE)
    os.fchmod(descriptor, FILE_MODE)  # whatever the umask
    return descriptor


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _read(descriptor: int) -> Holder:
    """What the holder wrote; anyone may have written it, so it is looked at closely."""
    line, _, _ = os.pread(descriptor, LONGEST_RECORD, 0).partition(b"\n")
    try:
        said = msgspec.json.decode(line, type=Holder)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Holder()
    return Holder(
        pid=said.pid if said.pid is not None and 0 < said.pid < 1 << 31 else None,
        ticks=said.ticks,
        uid=said.uid,
        user=_shown(said.user),
        job=_shown(said.job),
    )


def _shown(name: str | None) -> str | None:
    """A name that cannot steer a terminal or fill it."""
    return name if name and name.isprintable() and len(name) <= LONGEST_NAME else None


def runs(pid: int, ticks: int | None = None) -> bool:
    """Whether a process runs, also one of another user that /proc hides from us."""
    found = descent.status(pid)
    if found is not None:
        return found.state not in descent.GONE and ticks in (None, found.process.ticks)
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except ProcessLookupError:
        return False
    return True


@cache
def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
