"""Where an agent keeps its state, and where it listens. Every path of ours is decided here.

State is per host and per user, and never on a network file system: SQLite's write-ahead log and
file locks do not work there, and home directories are shared between the hosts of a cluster.
"""

import hashlib
import os
import re
import socket
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .errors import StateFolderError

NETWORK_FILE_SYSTEMS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "9p", "afs"}
    | {"fuse.sshfs", "fuse.glusterfs", "glusterfs", "fuse.juicefs", "wekafs", "pvfs2", "panfs"}
)

SOCKET_PATH_LIMIT: Final = 100
"""The kernel takes 107 bytes; some are left for a temporary name."""

RUNTIME_FOLDERS: Final = Path("/run/user")
"""Where logind makes a folder for each user who is logged in."""

TRIAL_BYTES: Final = 4096
"""Written to see whether the state folder can be: a full disk still makes empty files."""


@dataclass(frozen=True, slots=True)
class Locations:
    """The paths of one agent. `find` makes the folders; the rest only names what is in them."""

    state: Path
    socket: Path
    moved_from: Path | None = None
    """Where the state would be, were that not a network file system."""

    named: bool = False
    """Whether a person named the state folder: its agent must be told the same."""

    @property
    def lock(self) -> Path:
        """Held by the one agent that uses this state folder."""
        return self.state / "agent.lock"

    @property
    def log(self) -> Path:
        """What a detached agent prints."""
        return self.state / "agent.log"

    @property
    def node_id(self) -> Path:
        """The stored id of this node."""
        return self.state / "node-id"

    @property
    def artifacts(self) -> Path:
        """The store of artifacts, unless another is named."""
        return self.state / "artifacts"

    @property
    def last_screen(self) -> Path:
        """The screen as the console last left it."""
        return self.state / "last-screen"

    @property
    def last_picture(self) -> Path:
        """The frames that paint a console before its agent has answered."""
        return self.state / "last-picture"


def find(state: Path | None = None) -> Locations:
    """The locations for a state folder, by default $LLMOS_STATE or the user's own on this host.

    Raises StateFolderError where the folder cannot be made or written, or where a person chose one
    on a network file system.
    """
    chosen = state or _environment_path("LLMOS_STATE")
    if chosen is not None:
        folder = chosen.expanduser().absolute()
        kind = file_system(folder)
        if kind in NETWORK_FILE_SYSTEMS:
            raise StateFolderError(
                f"the state folder {folder} is on a network file system ({kind}), where databases "
                "and locks are not safe; name one on a local disk"
            )
        return Locations(_writable(folder), _socket_beside(folder), named=True)
    usual = _usual_state()
    if file_system(usual) in NETWORK_FILE_SYSTEMS:
        private = _private(Path("/var/tmp") / f"llmos-{os.getuid()}", "name one with LLMOS_STATE")  # noqa: S108
        moved = _writable(private / machine_id())
        return Locations(moved, _socket_beside(moved), moved_from=usual)
    return Locations(_writable(usual), _runtime_folder("agent.sock") / "agent.sock")


def artifact_store(locations: Locations) -> str:
    """Where jobs put artifacts, as fsspec names it: $LLMOS_ARTIFACTS, else a folder of the state.

    Raises StateFolderError where that folder cannot be made.
    """
    if named := os.environ.get("LLMOS_ARTIFACTS"):
        return named
    try:
        locations.artifacts.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StateFolderError(
            f"cannot make the folder {locations.artifacts}: {error.strerror}; "
            "free space or name another store with LLMOS_ARTIFACTS"
        ) from error
    return f"file://{locations.artifacts}"  # fsspec takes what follows as it stands


def machine_id() -> str:
    """A short name of this host, the same after a restart: of its machine id, else its name."""
    try:
        identity = Path("/etc/machine-id").read_text().strip()
    except OSError:
        identity = ""
    return hashlib.sha256((identity or socket.gethostname()).encode()).hexdigest()[:12]


def file_system(path: Path) -> str | None:
    """The kind of file system that `path` is or would be on, as "ext4"; None where unknown."""
    resolved = os.path.realpath(path)  # first, since looking there mounts what is mounted on demand
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    except OSError:
        return None
    return mounted_at(resolved, mounts)


def mounted_at(path: str, mounts: str) -> str | None:
    """The kind of file system that holds an absolute path, by the text of a `mountinfo`.

    Its form is that of proc_pid_mountinfo(5): of two mounts at one place the later one counts.
    """
    best, kind = "", None
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        mount = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields.split()[4])
        inside = path == mount or path.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, rest.split()[0]
    return kind


def _environment_path(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value) if value else None


def _usual_state() -> Path:
    import platformdirs

    return platformdirs.user_state_path("llmos") / machine_id()


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, buffering=0) as trial:
            trial.write(bytes(TRIAL_BYTES))
    except OSError as error:
        raise StateFolderError(
            f"cannot write the state folder {folder}: {error.strerror}; "
            "free space or name another with --state DIR or LLMOS_STATE"
        ) from error
    return folder


def _socket_beside(folder: Path) -> Path:
    """In the state folder; where that path is too long for a socket, in the runtime folder."""
    path = folder / "agent.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    name = f"{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}.sock"
    return _runtime_folder(name) / name


def _runtime_folder(name: str) -> Path:
    """A folder of ours alone for a socket of that name: in $XDG_RUNTIME_DIR, else in /tmp.

    Where that variable is not set, as under cron or su, its usual value is meant: whoever asks
    must look for the socket where the agent put it.
    """
    runtime = _environment_path("XDG_RUNTIME_DIR") or RUNTIME_FOLDERS / str(os.getuid())
    folder = runtime / "llmos"
    short = len(os.fsencode(folder / name)) <= SOCKET_PATH_LIMIT
    if not (short and runtime.is_dir() and os.access(runtime, os.W_OK)):
        folder = Path("/tmp") / f"llmos-{os.getuid()}"  # noqa: S108
    return _private(folder, "set XDG_RUNTIME_DIR")


def _private(folder: Path, advice: str) -> Path:
    """Make a folder that nobody else owns or may enter. Raises StateFolderError."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise StateFolderError(
            f"cannot make the folder {folder}: {error.strerror}; {advice}"
        ) from error
    mode = status.st_mode
    if not stat.S_ISDIR(mode) or status.st_uid != os.getuid() or mode & 0o077:
        raise StateFolderError(f"the folder {folder} is not private to you; remove it or {advice}")
    return folder
