"""The task folder: everything one attempt of a job writes on its node, and the names in it."""

import contextlib
import os
import re
import time
from pathlib import Path
from typing import Final

import msgspec

from ...errors import StateFolderError
from ...protocol.jobs import TaskOrder, TaskState
from ..regularfile import open_regular, read_regular

RESERVE: Final = 16 * 2**10
"""Bytes kept aside for the next state, so that a task can tell its end on a full disk."""

RESERVE_OF_RANK: Final = 4096
"""Bytes kept aside for what the launcher says of a rank, and for what the rank says of its end."""

_FOLDERS: Final = ("logs", "progress", "exits", "stacks")

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_RANK_FILE = re.compile(r"rank-(\d{1,6})\.(?:log|jsonl)")


class TaskFolder(msgspec.Struct, frozen=True):
    """Names the files of a task folder; `create` makes them, shim and ranks fill them."""

    path: Path

    @property
    def order(self) -> Path:
        """What the shim is told. Holds the job's secrets, so only its owner may read it."""
        return self.path / "order.json"

    @property
    def spec(self) -> Path:
        """The job's spec, as its program reads it again."""
        return self.path / "spec.json"

    @property
    def state(self) -> Path:
        """What the shim says."""
        return self.path / "state.json"

    @property
    def shim_log(self) -> Path:
        """What shim and launcher themselves print."""
        return self.path / "shim.log"

    @property
    def stop(self) -> Path:
        """Is there once the task was asked to stop, for a shim that was not there to hear it."""
        return self.path / "stop"

    @property
    def shim_lock(self) -> Path:
        """Locked by the shim while it lives: a task has one owner."""
        return self.path / "shim.lock"

    @property
    def launcher_lock(self) -> Path:
        """Locked by the launcher while it lives: ranks are started once."""
        return self.path / "launcher.lock"

    @property
    def launcher(self) -> Path:
        """What the launcher says of itself and its ranks, a line each."""
        return self.path / "launcher.jsonl"

    @property
    def samples(self) -> Path:
        """What the node measured around the end."""
        return self.path / "samples.jsonl"

    @property
    def facts(self) -> Path:
        """What the node was at the end."""
        return self.path / "facts.json"

    @property
    def sources(self) -> Path:
        """Where figures were found that the ranks wrote for others."""
        return self.path / "sources.json"

    def exit_note(self, rank: int) -> Path:
        """What a rank said of its end."""
        return self.path / "exits" / f"rank-{rank}.json"

    def stacks(self, rank: int) -> Path:
        """Where a rank writes its stacks when asked."""
        return self.path / "stacks" / f"rank-{rank}.txt"

    def index(self, rank: int) -> Path:
        """When which part of a rank's log was written."""
        return self.path / "logs" / f"rank-{rank}.index"

    def log(self, rank: int) -> Path:
        """What a rank prints."""
        return self.path / "logs" / f"rank-{rank}.log"

    def progress(self, rank: int) -> Path:
        """The lines that a rank says of its work."""
        return self.path / "progress" / f"rank-{rank}.jsonl"

    def ranks_with_logs(self) -> list[int]:
        """The ranks that have printed, in order."""
        return _ranks(self.path / "logs")

    def ranks_with_progress(self) -> list[int]:
        """The ranks that have said something of their work, in order."""
        return _ranks(self.path / "progress")

    def ask_to_stop(self) -> float:
        """Note that the task is to stop, unless it was noted before; when it was."""
        with contextlib.suppress(OSError):  # a full disk: who is there hears it all the same
            os.close(os.open(self.stop, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            return self.stop.stat().st_mtime
        except OSError:
            return time.time()

    def create(self, order: TaskOrder) -> None:
        """Make the folder with order and spec. Raises StateFolderError; then nothing is left."""
        if self.path.exists():
            raise StateFolderError(f"{self.path} exists already; move it away")
        try:
            self.path.mkdir(mode=0o700, parents=True)
            for name in _FOLDERS:
                (self.path / name).mkdir()
            _write_private(self.order, msgspec.json.format(msgspec.json.encode(order)))
            _write_private(self.spec, msgspec.json.format(msgspec.json.encode(order.request.spec)))
            for path, size in self._reserves(order.ranks):
                _reserve(path, size)
        except OSError as error:
            self.remove_created()
            raise StateFolderError(
                f"cannot write the task folder {self.path}: {error.strerror}; "
                "free space or name another state folder with --state DIR"
            ) from error

    def remove_created(self) -> None:
        """Take back what `create` made."""
        with contextlib.suppress(OSError):
            self.order.unlink(missing_ok=True)
            self.spec.unlink(missing_ok=True)
            for reserved, _ in self._reserves(len(list((self.path / "exits").iterdir()))):
                reserved.unlink(missing_ok=True)
        for path in (*(self.path / name for name in _FOLDERS), self.path, self.path.parent):
            with contextlib.suppress(OSError):
                path.rmdir()

    def drop_reserves(self) -> None:
        """Take away the room that was kept for what nobody will say any more."""
        with contextlib.suppress(OSError):
            for path in (self.next_state, *(self.path / "exits").glob("*.new")):
                path.unlink(missing_ok=True)
            os.truncate(self.launcher, len(read_regular(self.launcher).rstrip(b"\0")))

    @property
    def next_state(self) -> Path:
        """Where the next state is written before it takes the place of the last."""
        return self.path / ".state.next"

    def _reserves(self, ranks: int) -> list[tuple[Path, int]]:
        """The files that are made with room in them, bytes each: a task begins only where there is
        room to say how it ended."""
        notes = [self.exit_note(rank).with_suffix(".json.new") for rank in range(ranks)]
        return [
            (self.next_state, RESERVE),
            (self.launcher, RESERVE_OF_RANK * (ranks + 1)),
            *((note, RESERVE_OF_RANK) for note in notes),
        ]

    def read_order(self) -> TaskOrder | None:
        """The order, None where there is none that can be read."""
        try:
            return msgspec.json.decode(read_regular(self.order), type=TaskOrder)
        except (OSError, ValueError):
            return None

    def read_state(self) -> TaskState | None:
        """The newest state, None before the first."""
        try:
            return msgspec.json.decode(read_regular(self.state), type=TaskState)
        except (OSError, ValueError):
            return None


class StateFile:
    """Writes `state.json`, each time as a whole new file that takes the place of the last.

    The file for the next state is made beforehand with room in it: on a full disk there would be
    none for the very state that says so.
    """

    def __init__(self, folder: TaskFolder) -> None:
        self._path = folder.state
        self._next = folder.next_state

    def write(self, state: TaskState) -> None:
        """Replace the state. Raises OSError where even the reserve is not enough."""
        text = msgspec.json.format(msgspec.json.encode(state)) + b"\n"
        descriptor = os.open(self._next, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, text, 0)
            os.ftruncate(descriptor, len(text))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._next.replace(self._path)
        if state.state in ("starting", "running"):
            with contextlib.suppress(OSError):
                _reserve(self._next, RESERVE)


def _reserve(path: Path, size: int) -> None:
    """Make a file with room in it, filled with zeros. Raises OSError where there is none."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError:
        path.unlink()
        raise
    finally:
        os.close(descriptor)


def last_lines(path: Path, lines: int, window: int = 2**14) -> list[str]:
    """The last lines of a text file that say something, as plain text."""
    try:
        with open_regular(path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - window))
            text = file.read(window).decode("utf-8", "replace")
    except OSError:
        return []
    said = [line[:300] for line in map(_plain, text.splitlines()) if line]
    return said[-lines:]


def _plain(line: str) -> str:
    """Without what would move or colour a terminal."""
    uncoloured = _ESCAPE.sub("", line)
    return "".join(sign if sign.isprintable() else " " for sign in uncoloured).strip()


def _ranks(folder: Path) -> list[int]:
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return sorted(int(match[1]) for name in names if (match := _RANK_FILE.fullmatch(name)))


def _write_private(path: Path, text: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text + b"\n")
