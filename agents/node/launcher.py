"""The command that starts a task's ranks: torch's elastic launcher, or the one process itself.

torch's share is one attempt on fixed ranks: static rendezvous, no restarts. What happens when a
rank fails is decided by the shim.
"""

import os
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from ..protocol.jobs import TaskOrder
from .taskfolder import TaskFolder

RANK_PROGRAM: Final = Path(__file__).resolve().parents[2] / "engine" / "rank.py"
"""Run by path, not imported: the job's environment need not have llmos."""

HOST: Final = "127.0.0.1"

FIRST_PORT: Final = 20_000

_FOREIGN_NAMES: Final = frozenset(
    {"RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "ROLE_NAME", "WORLD_SIZE"}
    | {"LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE", "ROLE_WORLD_SIZE"}
    | {"MASTER_ADDR", "MASTER_PORT", "PYTHON_EXEC"}
)
_FOREIGN_PREFIXES: Final = ("TORCHELASTIC_", "TORCH_ELASTIC_", "PET_")
"""What torch's launcher reads or sets; an agent that was itself started by one must not pass it
on. PET_* are the defaults of its options."""


class Command(NamedTuple):
    """A process to start."""

    arguments: list[str]
    folder: Path
    environment: dict[str, str]


def command(order: TaskOrder, folder: TaskFolder, environment: Mapping[str, str]) -> Command:
    """How to start the ranks of `order`, on top of the given environment."""
    program = order.request.program
    python = program.python or sys.executable
    port = free_port()
    start = _plain if program.launcher == "plain" else _torchrun
    return Command(
        arguments=[*start(python, order, folder, port), str(RANK_PROGRAM), *program.arguments],
        folder=Path(program.folder) if program.folder else folder.path,
        environment=_environment(order, folder, environment, port),
    )


def _plain(python: str, order: TaskOrder, folder: TaskFolder, port: int) -> list[str]:
    return [python, "-u"]


def _torchrun(python: str, order: TaskOrder, folder: TaskFolder, port: int) -> list[str]:
    return [
        python,
        "-m",
        "torch.distributed.run",
        "--nnodes=1",
        "--node-rank=0",
        f"--nproc-per-node={order.ranks}",
        "--rdzv-backend=static",
        f"--rdzv-id={order.job}.{order.attempt}",
        f"--master-addr={HOST}",
        f"--master-port={port}",
        f"--local-addr={HOST}",
        "--max-restarts=0",
        # Its own look at the ranks is only how soon it notices a good end. Looking more often
        # would take a dead rank's exit code away before the shim has read it.
        "--monitor-interval=0.1",
        f"--log-dir={folder.elastic}",
    ]


def _environment(
    order: TaskOrder, folder: TaskFolder, base: Mapping[str, str], port: int
) -> dict[str, str]:
    program = order.request.program
    cores = len(os.sched_getaffinity(0))
    environment = {name: value for name, value in base.items() if not _foreign(name)}
    environment.setdefault("OMP_NUM_THREADS", str(max(1, cores // order.ranks)))
    if not order.gpus:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    environment |= program.environment
    if order.gpus:
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(order.gpus)
    if program.launcher == "plain":
        environment |= {"RANK": "0", "LOCAL_RANK": "0", "GROUP_RANK": "0"}
        environment |= {"WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}
        environment |= {"MASTER_ADDR": HOST, "MASTER_PORT": str(port)}
    # Never before the grace has passed, and soon after it.
    environment["TORCH_ELASTIC_SHUTDOWN_TIMEOUT"] = str(int(order.grace) + 5)
    return environment | {
        "LLMOS_JOB": order.job,
        "LLMOS_ATTEMPT": str(order.attempt),
        "LLMOS_TASK": str(folder.path),
        "LLMOS_SPEC": str(folder.spec),
    }


def free_port() -> int:
    """A TCP port nobody listens on, below those that outgoing connections are given.

    It is free when asked, not held: another program may take it before torch listens. Outgoing
    connections cannot, which leaves programs that pick ports as we do.
    """
    ports = range(FIRST_PORT, _first_ephemeral_port())
    start = time.monotonic_ns()
    for step in range(50 if ports else 0):
        port = ports[(start + step * 97) % len(ports)]
        if _is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def _first_ephemeral_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError):
        return 32_768


def _foreign(name: str) -> bool:
    return name in _FOREIGN_NAMES or name.startswith(_FOREIGN_PREFIXES)
