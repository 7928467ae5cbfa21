"""How each rank of a task is started: its words, its folder, its environment.

The environment is the one that torchrun gives, with static rendezvous: rank 0 itself holds the
store that the ranks meet in, so that no other process must live for them to go on.
"""

import os
import socket
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from ...protocol.jobs import TaskOrder
from .taskfolder import TaskFolder

RANK_PROGRAM: Final = Path(__file__).resolve().parents[3] / "engine" / "rank.py"
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

_ALWAYS_GIVEN: Final = frozenset({"CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"})

_ENVIRONMENT: Final = "{env}"
"""A word of a prefix: stands for an option for each variable that the rank is given."""

_GPUS: Final = "{gpus}"
_STORE: Final = "{artifacts}"
"""Begins a word of a prefix that is for jobs with GPUs alone."""


class RankCommand(NamedTuple):
    """A rank to start."""

    rank: int
    arguments: list[str]
    """Words of the command, the interpreter among them."""

    program: list[str]
    """What follows the interpreter and rank.py."""

    folder: Path
    environment: dict[str, str]


def rank_commands(
    order: TaskOrder, folder: TaskFolder, base: Mapping[str, str]
) -> list[RankCommand]:
    """How to start the ranks of `order`, on top of the environment `base`."""
    program = order.request.program
    shared = _shared_environment(order, folder, base)
    working = Path(program.folder) if program.folder else folder.path
    commands = []
    for rank in range(order.ranks):
        own = shared | {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "GROUP_RANK": "0",
            "ROLE_RANK": str(rank),
        }
        if order.gpus:
            own["CUDA_VISIBLE_DEVICES"] = _seen_by(rank, order.gpus)
        given = {name for name in own if own[name] != base.get(name)} | set(program.environment)
        ahead = _ahead(order, folder, working, given | _ALWAYS_GIVEN)
        words = [*ahead, *program.arguments]
        commands.append(RankCommand(rank, words, program.arguments, working, own))
    return commands


def _filled(word: str, places: Mapping[str, str]) -> str:
    for name, place in places.items():
        word = word.replace(name, place)
    return word


def _ahead(
    order: TaskOrder, folder: TaskFolder, working: Path, given: Collection[str]
) -> Iterator[str]:
    """The words ahead of the program's own. `given` are the names of the rank's variables."""
    program = order.request.program
    store = _local_store(order.artifacts)
    if program.setup:
        yield from ("bash", "-lc", f'{program.setup}\nexec "$@"', "bash")
    places = {
        "{task}": str(folder.path),
        "{folder}": str(working),
        "{rank_program}": str(RANK_PROGRAM),
        _STORE: store,
    }
    for word in program.prefix:
        if _STORE in word and not store:
            continue
        if word == _ENVIRONMENT:
            # By name alone: a value in the words of a command is seen by every user of the host.
            yield from (f"--env={name}" for name in sorted(given))
        elif not word.startswith(_GPUS):
            yield _filled(word, places)
        elif order.gpus:
            yield _filled(word.removeprefix(_GPUS), places)
    yield from (program.python or sys.executable, "-u", str(RANK_PROGRAM))


def _local_store(uri: str) -> str:
    """The folder an artifact store is, as fsspec reads its URI; empty where it is elsewhere."""
    if uri.startswith(("/", "file://")):
        return uri.removeprefix("file://")
    return ""


def _shared_environment(
    order: TaskOrder, folder: TaskFolder, base: Mapping[str, str]
) -> dict[str, str]:
    program = order.request.program
    cores = len(os.sched_getaffinity(0))
    if "PATH" in program.environment:
        base = {}  # the submitter's whole environment, to which the agent's own adds nothing
    environment = {name: value for name, value in base.items() if not _foreign(name)}
    environment.setdefault("OMP_NUM_THREADS", str(max(1, cores // order.ranks)))
    if not order.gpus:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    environment |= {k: v for k, v in program.environment.items() if not _foreign(k)}
    size = str(order.ranks)
    return environment | {
        "WORLD_SIZE": size,
        "LOCAL_WORLD_SIZE": size,
        "ROLE_WORLD_SIZE": size,
        "GROUP_WORLD_SIZE": "1",
        "ROLE_NAME": "default",
        "MASTER_ADDR": HOST,
        "MASTER_PORT": str(free_port()),
        "TORCHELASTIC_RUN_ID": f"{order.job}.{order.attempt}",
        "TORCHELASTIC_RESTART_COUNT": "0",
        "TORCHELASTIC_MAX_RESTARTS": "0",
        "TORCHELASTIC_USE_AGENT_STORE": "False",
        "TORCH_NCCL_ASYNC_ERROR_HANDLING": "1",
        "LLMOS_JOB": order.job,
        "LLMOS_ATTEMPT": str(order.attempt),
        "LLMOS_TASK": str(folder.path),
        "LLMOS_SPEC": str(folder.spec),
        **({"LLMOS_ARTIFACTS": order.artifacts} if order.artifacts else {}),
        **({"LLMOS_INPUTS": msgspec.json.encode(order.inputs).decode()} if order.inputs else {}),
    }


def _seen_by(rank: int, gpus: Sequence[str]) -> str:
    """What a rank sees: all GPUs of the task, of instances only its own.

    CUDA sees one MIG instance in a process, the first that is named (NVIDIA's MIG User Guide).
    """
    divided = any(uuid.startswith("MIG-") for uuid in gpus)
    return gpus[rank % len(gpus)] if divided else ",".join(gpus)


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
