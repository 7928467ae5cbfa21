"""The warm launchers of an agent: one for each set of modules that jobs want imported."""

import array
import asyncio
import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ...protocol.jobs import Program

MODULE: Final = "llmos.engine.warm"
"""Named, not imported: it needs torch, and an agent does not."""

FIRST_WORD: Final = 60.0
"""Seconds to import torch on a busy machine, before a task is started cold instead."""

ANSWER: Final = 2.0
"""Seconds to fork a task."""

IDLE: Final = 600.0
"""Seconds without a job after which a warm launcher ends, and with it what it holds of memory."""

AFTER_FAILURE: Final = 60.0
"""Seconds in which a warm launcher that failed is not tried again."""

_COLD: Final = ("PYTHON", "LD_", "TORCH_", "OPENBLAS_", "MKL_", "KMP_", "GOMP_", "MALLOC_")
"""Variables that are read when a process starts or a library is loaded: to set one takes a new
process."""


class WarmPool:
    """Starts tasks by warm launchers, and says where one must start cold."""

    def __init__(self, log_folder: Path) -> None:
        self._log = log_folder / "warm.log"
        self._warm: dict[tuple[str, ...], Warm] = {}
        self._failed: dict[tuple[str, ...], float] = {}

    async def launch(self, program: Program, task: Path, leases: Sequence[int]) -> int | None:
        """Start a shim for a task; its pid, None where it must be started cold."""
        modules = tuple(program.preload)
        if not can_be_warm(program) or self._failed.get(modules, 0.0) > time.monotonic():
            return None
        self.end_idle()
        warm = self._warm.get(modules)
        if warm is None or warm.ended:
            warm = self._warm[modules] = Warm(modules, self._log)
        try:
            return await warm.launch(task, leases)
        except (OSError, ValueError, TimeoutError) as error:
            _note(self._log, f"warm launcher of {modules}: {error!r}")
            warm.end()
            self._warm.pop(modules, None)
            self._failed[modules] = time.monotonic() + AFTER_FAILURE
            return None

    def end_idle(self) -> None:
        """Let those go that nobody has used for long."""
        for modules, warm in list(self._warm.items()):
            if warm.ended or time.monotonic() - warm.used > IDLE:
                warm.end()
                del self._warm[modules]

    def close(self) -> None:
        """Let all go; what they have started goes on."""
        for warm in self._warm.values():
            warm.end()
        self._warm.clear()


class Warm:
    """One warm launcher, from here."""

    def __init__(self, modules: Sequence[str], log: Path) -> None:
        self.used = time.monotonic()
        self._one_at_a_time = asyncio.Lock()
        self._ready = False
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._link = ours
        with theirs, log.open("ab") as output:
            theirs.set_inheritable(True)
            number = theirs.fileno()
            arguments = [sys.executable, "-P", "-m", MODULE, str(number), *modules]
            self._pid = os.posix_spawn(
                sys.executable,
                arguments,
                # More than one thread would end the warmth; numpy's library starts them at once.
                dict(os.environ) | {"OPENBLAS_NUM_THREADS": "1"},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
                    (os.POSIX_SPAWN_DUP2, output.fileno(), 2),
                ],
                setsid=True,
            )

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        if self._link.fileno() < 0:
            return True
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(self._pid, os.WNOHANG)[0] == 0:
                return False
        self._link.close()
        return True

    async def launch(self, task: Path, leases: Sequence[int]) -> int:
        """Have a task forked; the shim's pid. Raises OSError, ValueError, TimeoutError."""
        async with self._one_at_a_time:
            if not self._ready:
                await self._answer(FIRST_WORD)
                self._ready = True
            self.used = time.monotonic()
            message = json.dumps({"task": str(task)}).encode()
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", leases))]
            self._link.sendmsg([message], rights if leases else [])
            return int((await self._answer(ANSWER))["pid"])

    def end(self) -> None:
        """Close the socket, at which the process ends, however it is."""
        if self._link.fileno() >= 0:
            self._link.close()
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            if os.waitpid(self._pid, os.WNOHANG)[0] == 0 and not self._ready:
                os.kill(self._pid, 9)
                os.waitpid(self._pid, 0)

    async def _answer(self, seconds: float) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            said = await asyncio.get_running_loop().sock_recv(self._link, 2**16)
        if not said:
            raise OSError("it ended")
        answer: dict[str, Any] = json.loads(said)
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer


def can_be_warm(program: Program) -> bool:
    """Whether a forked process can do for a program what a new one would."""
    return (
        program.warm
        and not program.prefix
        and not program.setup
        and program.python in (None, sys.executable)
        and not any(
            name.startswith(_COLD) and os.environ.get(name) != value
            for name, value in program.environment.items()
        )
    )


def _note(log: Path, text: str) -> None:
    with contextlib.suppress(OSError), log.open("a") as file:
        print(time.strftime("%Y-%m-%d %H:%M:%S"), text, file=file)
