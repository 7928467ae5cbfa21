"""Where the kill campaign takes place: a copy of llmos that can be upgraded, GPUs of the NVML
stand-in, and one agent or two of two users, each with a state folder of its own."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from llmos.agents.node.task import descent
from llmos.scripts.bench.kill_rank import TRUTH
from llmos.tests.nvml.standin import Standin

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[2]
PARTS: Final = ("__init__.py", "agents", "engine")
"""What runs on a node."""

START_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 2.0
NOBODY: Final = 65_534
TMPFS_BYTES: Final = 96 * 2**20


class Unreachable(Exception):
    """Nobody answers, or not in time."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))


@dataclass
class Agent:
    """One user's agent, which may die at any moment and is then started again."""

    name: str
    folder: Path
    environment: dict[str, str]
    uid: int | None = None
    """None for the campaign's own user."""

    python: str = sys.executable

    answered_since: float | None = None
    """Since when every question has been answered, by the clock of the day; None while not."""

    version: str = ""
    starts: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for folder in (self.folder, self.state, self.truth):
            folder.mkdir(mode=0o755, exist_ok=True)
            if self.uid is not None:
                os.chown(folder, self.uid, self.uid)

    @property
    def state(self) -> Path:
        """Its state folder."""
        return self.folder / "state"

    @property
    def truth(self) -> Path:
        """Where its jobs' ranks say to the campaign how they do."""
        return self.folder / "truth"

    @property
    def pid(self) -> int | None:
        """None while none runs."""
        if self._process is None or self._process.poll() is not None:
            return None
        return self._process.pid

    def start(self) -> None:
        """Start it where it does not run, as the next client does; does not wait."""
        if self.pid is not None:
            return
        self.starts += 1
        command = [self.python, "-m", "llmos.agents.daemon", "--detached"]
        with (self.folder / "agent.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--state", os.fspath(self.state)],
                env=self.environment | {TRUTH: os.fspath(self.truth)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                user=self.uid,
                group=self.uid,
                extra_groups=[] if self.uid is not None else None,
            )

    def await_answer(self) -> None:
        """Be sure that it answers."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            self.start()
            with contextlib.suppress(Unreachable):
                self.version = self.ask("GET", "/v1/hello")[1]["version"]
                return
            time.sleep(0.05)
        said = (self.folder / "agent.log").read_text(errors="replace")
        raise SystemExit(f"agent {self.name} does not come: {said[-2000:]}")

    def ask(self, method: str, path: str, content: object = None) -> tuple[int, Any]:
        """Status and answer. Raises Unreachable."""
        body = None if content is None else msgspec.json.encode(content)
        connection = _UnixConnection(self.state / "agent.sock")
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            answer = msgspec.json.decode(response.read())
        except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
            self.answered_since = None
            raise Unreachable(repr(error)) from error
        finally:
            connection.close()
        self.answered_since = self.answered_since or time.time()
        return response.status, answer

    def end(self) -> None:
        """Ask it to end, and be sure that it does."""
        if self._process is None:
            return
        if (found := descent.status(self._process.pid)) is not None and self.pid:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10.0)
            descent.send(found.process, signal.SIGKILL)
        self._process.wait()


class Place:
    """The folder of a campaign and all in it."""

    def __init__(
        self, folder: Path, gpus: int, *, other_python: str | None = None, tmpfs: bool = False
    ) -> None:
        """`other_python` is for the agent of another user, if there is to be one."""
        self.folder = folder
        folder.chmod(0o755)
        self.leases = folder / "leases"
        self._packages = folder / "packages"
        self._upgrades = 0
        self.mounted: list[Path] = []
        """What is to be unmounted."""

        self.install()
        environment = _environment(folder) | {
            "PYTHONPATH": os.fspath(self._packages),
            "LLMOS_LEASES": os.fspath(self.leases),
            **Standin.create(folder / "nvml", gpus=gpus).environment(),
        }
        self.agents = [Agent("one", folder / "one", environment)]
        if other_python is not None:
            # It may be another installation, which finds what this one has installed.
            paths = [os.fspath(self._packages), sysconfig.get_path("purelib")]
            found = environment | {"PYTHONPATH": os.pathsep.join(paths)}
            self.agents.append(Agent("two", folder / "two", found, NOBODY, other_python))
        if tmpfs:
            self._mount(self.agents[0].state)

    def install(self) -> str:
        """Put every file in place anew, as an upgrade does; the version that it now has."""
        self._upgrades += 1
        version = f"0.1.{self._upgrades}"
        target = self._packages / "llmos"
        for part in PARTS:
            for source in [ROOT / part, *(ROOT / part).rglob("*.py")]:
                if source.is_file():
                    _put(source.read_bytes(), target / source.relative_to(ROOT))
        _put(VERSION_FILE.format(version).encode(), target / "agents" / "version.py")
        return version

    @contextlib.contextmanager
    def full_disk(self) -> Iterator[None]:
        """While the first agent's state folder takes nothing."""
        balloon = self.agents[0].state / "balloon"
        try:
            with contextlib.suppress(OSError), balloon.open("wb", buffering=0) as file:
                for piece in (2**20, 4096):
                    with contextlib.suppress(OSError):
                        while file.write(bytes(piece)):
                            pass
            yield
        finally:
            balloon.unlink(missing_ok=True)

    def close(self, *, keep: bool) -> None:
        """Give back what was taken from the host; `keep` what stands in the folder."""
        for mounted in self.mounted:
            if keep:
                ignored = shutil.ignore_patterns("*.sock")
                shutil.copytree(mounted, mounted.with_name("state-kept"), ignore=ignored)
            subprocess.run(["umount", "-l", os.fspath(mounted)], check=False)
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _mount(self, where: Path) -> None:
        options = f"size={TMPFS_BYTES},mode=755"
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", os.fspath(where)], check=True
        )
        self.mounted.append(where)


VERSION_FILE: Final = '''"""The version of this llmos."""


def llmos_version() -> str:
    """As the campaign wrote it."""
    return "{}"
'''


def _put(content: bytes, path: Path) -> None:
    """A new file in the place of the old one, which whoever has it open goes on reading."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content)
    fresh.replace(path)


def _environment(folder: Path) -> dict[str, str]:
    (folder / "home").mkdir(mode=0o777)
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.fspath(folder / "home"),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
