"""Finds the files into which the processes of a job write figures for somebody else.

Some hold their file open: it is among the descriptors of a process. TensorBoard's own writer opens
it for each piece anew, so it is looked for by name: it ends with host, pid and a number, and lies
somewhere below the folder the process works in, or one that its arguments or variables name. What
was found is kept in the task folder, for the time after the processes.

A file that a container sees under a name of its own is not found.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from ..regularfile import read_regular
from ..task.descent import children, environment
from ..task.taskfolder import TaskFolder
from .ownfile import is_own
from .points import Reader
from .tensorboard import EventFile
from .wandb import RunFile

MOST: Final = 32
"""Sources of a job at most."""

PROCESSES: Final = 256
"""Processes of a job that are looked at."""

DEPTH: Final = 6
"""Folders below each other in which event files are looked for."""

ENTRIES: Final = 2500
"""Files and folders that a search passes below each folder that it begins with, and a third of them
in any one."""

BEGINNINGS: Final = 8
"""Folders that a search begins with, at most."""

SLACK: Final = 2.0
"""Seconds by which the times of a rank's start and of its first file may disagree."""

VARIABLES: Final = ("TENSORBOARD_LOGGING_DIR", "TENSORBOARD_LOG_DIR", "LOGDIR")
"""Of the environment: where some trainers write event files."""

_EVENTS: Final = re.compile(r"events\.out\.tfevents\.(\d{1,11})\..*")
_WRITTEN_BY: Final = re.compile(r"events\.out\.tfevents\.(\d{1,11})\..+\.(\d{1,7})\.\d+(?:\.v2)?")
_RUN: Final = re.compile(r"run-.+\.wandb")
_PASSED_BY: Final = frozenset({"node_modules", "__pycache__", "site-packages", "proc", "sys"})

Kind = Literal["tensorboard", "wandb"]

READERS: Final[dict[Kind, Callable[[str], Reader]]] = {"tensorboard": EventFile, "wandb": RunFile}


class Found(msgspec.Struct, frozen=True):
    """A file with figures in it."""

    kind: Kind
    path: str
    """Absolute."""

    label: str
    """What tells it from others for people: the folder, as its process would call it."""

    rank: int
    """Whose process wrote it."""

    @property
    def source(self) -> str:
        """As curves name it."""
        return f"{self.kind} {self.label}"


class Process(NamedTuple):
    """A process of a job, as far as that helps to find what it writes."""

    pid: int
    pid_inside: int
    """As the process itself knows it, which may be in a container."""

    rank: int
    since: float
    """When its rank began: seconds since 1970."""

    folders: tuple[str, ...]
    """Where to look for files, the one it works in first."""


def load(folder: TaskFolder) -> list[Found]:
    """What was found so far, by whatever agent."""
    try:
        found = msgspec.json.decode(read_regular(folder.sources), type=list[Found])
    except (OSError, ValueError):
        return []
    return [one for one in found if os.path.isabs(one.path)][:MOST]


class Finder:
    """Looks for sources of one attempt. Takes milliseconds, or as long as a file system hangs."""

    def __init__(self, folder: TaskFolder) -> None:
        self.found = load(folder)
        self._folder = folder
        self._processes: dict[int, Process] = {}
        """All that were ever seen, by the pid that they write into names."""

    def look(self, pids: Sequence[int]) -> None:
        """Look at these ranks and all below them; without any, for files of those seen before."""
        known = len(self.found)
        for process in self._ranks_and_below(pids):
            self._processes.setdefault(process.pid_inside, process)
            for path in _held(process.pid):
                self._add(process, path)
        for path, process in _written(self._processes):
            self._add(process, path)
        if len(self.found) > known:
            self._save()

    def _add(self, process: Process, path: str) -> None:
        kind = _kind(path)
        full = len(self.found) >= MOST or any(one.path == path for one in self.found)
        if kind is not None and not full and _sayable(path) and is_own(path):
            label = _label(kind, Path(path).parent, process.folders)
            self.found.append(Found(kind, path, label, process.rank))

    def _save(self) -> None:
        new = self._folder.sources.with_suffix(".new")
        try:
            new.write_bytes(msgspec.json.encode(self.found))
            new.replace(self._folder.sources)
        except OSError:
            new.unlink(missing_ok=True)

    def _ranks_and_below(self, pids: Sequence[int]) -> Iterator[Process]:
        state = self._folder.read_state() if pids else None
        ranks = {rank.pid: rank for rank in state.ranks} if state else {}
        waiting = [
            (pid, ranks[pid].rank, ranks[pid].started) if pid in ranks else (pid, 0, 0.0)
            for pid in pids
        ]
        seen: set[int] = set()
        while waiting and len(seen) < PROCESSES:
            pid, rank, since = waiting.pop(0)
            if pid not in seen:
                seen.add(pid)
                yield Process(pid, _pid_inside(pid), rank, since, _folders(pid))
                waiting += [(child, rank, since) for child in children(pid)]


def _kind(path: str) -> Kind | None:
    name = os.path.basename(path)
    if _EVENTS.fullmatch(name):
        return "tensorboard"
    return "wandb" if _RUN.fullmatch(name) else None


def _sayable(path: str) -> bool:
    """Whether a name can be passed on: it may hold bytes that are no text."""
    try:
        return bool(path.encode())
    except UnicodeEncodeError:
        return False


def _label(kind: Kind, folder: Path, folders: Sequence[str]) -> str:
    if kind == "wandb":
        return folder.name
    for above in folders[:1]:
        if folder.is_relative_to(above):
            return str(folder.relative_to(above))
    return str(folder)


def _held(pid: int) -> list[str]:
    """What a process holds open, by its name."""
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return []
    return [path for one in descriptors if (path := _link(f"/proc/{pid}/fd/{one}"))[:1] == "/"]


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _pid_inside(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return pid
    match = re.search(r"^NSpid:.*?(\d+)$", status, re.MULTILINE)
    return int(match[1]) if match else pid


def _folders(pid: int) -> tuple[str, ...]:
    """The folder that a process works in, and those that its arguments and variables name."""
    works_in = _link(f"/proc/{pid}/cwd")
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        arguments = []
    variables = environment(pid)
    named = [os.fsdecode(one).rpartition("=")[2] for one in arguments[1:]]
    named += [variables[name] for name in VARIABLES if name in variables]
    folders = [os.path.normpath(os.path.join(works_in, name)) for name in named if name]
    below = (folder for folder in folders if os.path.isdir(folder) and folder != "/")
    return tuple(dict.fromkeys([works_in, *below] if works_in else below))


def _written(processes: dict[int, Process]) -> Iterator[tuple[str, Process]]:
    """Event files that name one of the processes, and were begun in its time."""
    roots = dict.fromkeys(folder for one in processes.values() for folder in one.folders)
    seen: set[str] = set()
    for root in list(roots)[:BEGINNINGS]:
        for path in _event_files(root, seen):
            match = _WRITTEN_BY.fullmatch(os.path.basename(path))
            process = processes.get(int(match[2])) if match else None
            if match and process is not None and int(match[1]) >= process.since - SLACK:
                yield path, process


def _event_files(root: str, seen: set[str]) -> Iterator[str]:
    """Names below a folder, the near ones first, as far as a search goes."""
    waiting = [(root, 0)]
    left = ENTRIES
    while waiting and left > 0:
        folder, depth = waiting.pop(0)
        if folder in seen:
            continue
        seen.add(folder)
        for entry in _entries(folder, min(left, ENTRIES // 3)):
            left -= 1
            if entry.name.startswith("events.out.tfevents."):
                yield entry.path
            elif depth < DEPTH and _worth_a_look(entry):
                waiting.append((entry.path, depth + 1))


def _entries(folder: str, most: int) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            for entry, _ in zip(entries, range(most), strict=False):
                yield entry
    except OSError:
        return


def _worth_a_look(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or entry.name in _PASSED_BY:
        return False
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False
