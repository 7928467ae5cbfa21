"""What a doctor looks at, as one table. Each check is a function that never raises for what it
finds, and has a deadline: a driver or a file system that hangs is a finding, too.
"""

import locale
import os
import platform
import resource
import shutil
import sys
import threading
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from ...agents import locations as places
from ...agents import start
from ...agents.errors import AgentIncompatible, LlmosError
from ...agents.node.task.leases import Leases
from ...agents.version import llmos_version
from ...engine.catalog import KINDS
from .. import quantities as q
from .hostsettings import (
    clock_synchronised,
    is_system_user,
    kills_user_processes,
    lingers,
    memory_limit,
    removes_shared_memory,
)
from .invocation import Invocation
from .probes import Silent, ask_driver, ask_torch

if TYPE_CHECKING:
    from ...agents.fleet.client import Client
    from ...agents.protocol.facts import Hello

State = Literal["ok", "warn", "bad", "absent"]

DEADLINE: Final = 90.0
"""Seconds for one check: importing torch from a cold disk takes the longest."""

MIB: Final = 2**20
LEAST_FREE: Final = 256
"""MiB for the state folder; below, records and logs cannot be relied on."""

FREE_FOR_MODELS: Final = 10 * 1024
SHM: Final = Path("/dev/shm")  # noqa: S108
SHARED_MEMORY: Final = 1024
"""MiB there: NCCL and data loaders pass their buffers through it; containers have 64."""

OPEN_FILES: Final = 1024
MEMORY_FOR_TRAINING: Final = 4 * 1024


class Finding(NamedTuple):
    """What a check found."""

    state: State
    text: str
    advice: str | None = None
    """What to do."""


Check = Callable[[Invocation], Finding]


def python(_: Invocation) -> Finding:
    """The interpreter."""
    return Finding("ok", f"{platform.python_version()} at {sys.executable}")


def llmos(_: Invocation) -> Finding:
    """This program."""
    return Finding("ok", llmos_version())


def driver(_: Invocation) -> Finding:
    """NVIDIA's driver, asked in a process of its own."""
    try:
        said = ask_driver()
    except Silent as error:
        return Finding("bad", str(error), "the driver hangs: drain this node and reboot it")
    if "state" in said:
        state: State = "absent" if said["state"] == "absent" else "bad"
        text, _, advice = said["message"].partition(": ")
        return Finding(state, text, advice or None)
    gpus = "1 GPU" if said["gpus"] == 1 else f"{said['gpus']} GPUs"
    return Finding("ok", f"{said['driver']}, CUDA {said['cuda']}, {gpus}")


def engine(_: Invocation) -> Finding:
    """What jobs import."""
    needed = sorted({package for kind in KINDS.values() for package in kind.needs})
    missing = sorted({package for kind in KINDS.values() for package in kind.missing()})
    if missing:
        return Finding(
            "absent" if missing == needed else "warn",
            f"not installed: {', '.join(missing)}",
            "pip install 'llmos[engine]' to train models here",
        )
    return Finding("ok", ", ".join(f"{name} {metadata.version(name)}" for name in needed[-2:]))


def cuda(_: Invocation) -> Finding:
    """Whether torch sees the GPUs, asked in a process of its own."""
    if "torch" in KINDS["train"].missing():
        return Finding("absent", "torch is not installed")
    try:
        said = ask_torch()
        gpus = ask_driver().get("gpus", 0)
    except Silent as error:
        return Finding("bad", str(error), "run `python -c 'import torch'` to see why")
    if "error" in said:
        return Finding("bad", f"torch cannot be imported: {said['error']}", "install it again")
    built = f"torch {said['version']}, built for {said['cuda'] or 'CPUs only'}"
    if gpus and not said["gpus"]:
        advice = "install a torch that is built for this driver's CUDA"
        return Finding("bad", f"{built}: sees none of {gpus} GPUs", advice)
    return Finding("ok", f"{built}, sees {said['gpus'] or 'no'} GPUs")


def state_folder(invocation: Invocation) -> Finding:
    """Where our agent keeps its state, and on what."""
    own = places.find(invocation.state)
    kind = places.file_system(own.state) or "an unknown file system"
    text = f"{own.state} on {kind}"
    if kind in places.NETWORK_FILE_SYSTEMS:
        advice = "name a local folder with --state DIR or LLMOS_STATE: databases break there"
        return Finding("bad", text, advice)
    if own.moved_from is not None:
        return Finding("warn", text, f"{own.moved_from} is on a network file system")
    if kind == "tmpfs":
        return Finding("warn", text, "jobs and models are gone after a reboot")
    return Finding("ok", text)


def disk(invocation: Invocation) -> Finding:
    """Space for records, logs and models."""
    usage = shutil.disk_usage(places.find(invocation.state).state)
    free = usage.free // MIB
    text = f"{q.mebibytes(free)} of {q.mebibytes(usage.total // MIB)} free"
    if free < LEAST_FREE:
        return Finding("bad", text, "free space, or name another folder with --state DIR")
    if free < FREE_FOR_MODELS:
        return Finding("warn", text, "checkpoints of larger models will not fit")
    return Finding("ok", text)


def clock(_: Invocation) -> Finding:
    """Whether something keeps the clock right."""
    synchronised = clock_synchronised()
    if synchronised is None:
        return Finding("absent", "not known whether it is synchronised")
    if not synchronised:
        return Finding("warn", "not synchronised", "run an NTP client, such as chrony")
    return Finding("ok", "synchronised")


def agent(invocation: Invocation) -> Finding:
    """Our agent, or the one that --connect names."""
    own = invocation.own
    if own is not None and not start.answers(own):
        return Finding("absent", "none runs; `llmos` starts one")
    from .asking import ask

    async def hello(client: "Client") -> "Hello":
        return await client.hello()

    try:
        said = ask(invocation, hello)
    except AgentIncompatible as error:
        return Finding("bad", str(error))
    text = f"{said.version} answers at {invocation.address.text}"
    if said.version != llmos_version():
        return Finding("warn", text, f"this llmos is {llmos_version()}: stop the older one")
    return Finding("ok", text)


def terminal(_: Invocation) -> Finding:
    """What the console has to paint with."""
    if not sys.stdout.isatty():
        return Finding("absent", "no terminal")
    columns, lines = shutil.get_terminal_size()
    encoding = locale.getpreferredencoding(False)
    colours = _colours()
    text = f"{columns}×{lines}, {colours}, {encoding}"
    if columns < 80 or lines < 24:
        return Finding("warn", text, "the console needs 80×24")
    if encoding.upper().replace("-", "") != "UTF8":
        return Finding("warn", text, "set LANG to a UTF-8 locale, such as C.UTF-8, for finer plots")
    return Finding("ok", text)


def open_files(_: Invocation) -> Finding:
    """How many files a process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = "no limit" if hard == resource.RLIM_INFINITY else str(hard)
    text = f"{soft} a process (at most {most})"
    if 0 <= soft < OPEN_FILES:
        return Finding("warn", text, f"ulimit -n {OPEN_FILES}")
    return Finding("ok", text)


def logout(_: Invocation) -> Finding:
    """Whether our agent and its jobs outlive a logout."""
    kills = kills_user_processes()
    if kills is None:
        return Finding("absent", "no logind here: nothing ends an agent")
    if kills and not lingers():
        return Finding(
            "warn",
            "logind ends agents and jobs at logout",
            "loginctl enable-linger, or run `llmos agent` as a service",
        )
    return Finding("ok", "agents and jobs outlive it")


def leases(_: Invocation) -> Finding:
    """Whether GPU leases outlive a logout: without their files, others take the GPUs for free."""
    folder = Leases().folder
    logs_out = not is_system_user() and not lingers()
    if folder.is_relative_to(SHM.resolve()) and logs_out and removes_shared_memory():
        return Finding(
            "warn",
            f"logind removes those in {folder} at logout (RemoveIPC=yes)",
            "loginctl enable-linger, or set RemoveIPC=no in /etc/systemd/logind.conf",
        )
    return Finding("ok", f"in {folder}")


def memory(_: Invocation) -> Finding:
    """The limit of this control group."""
    limit = memory_limit()
    if limit is None:
        return Finding("ok", "no limit of a control group")
    text = f"limited to {q.mebibytes(limit // MIB)} by a control group"
    if limit // MIB < MEMORY_FOR_TRAINING:
        return Finding("warn", text, "raise the container's or the slice's limit to train here")
    return Finding("ok", text)


def shared_memory(_: Invocation) -> Finding:
    """What processes of one host pass each other buffers through."""
    if not SHM.is_dir():
        return Finding("warn", f"no {SHM}", "NCCL and data loaders need it: mount a tmpfs there")
    size = shutil.disk_usage(SHM).total // MIB
    if size < SHARED_MEMORY:
        advice = "start the container with --shm-size=8g: NCCL and data loaders fill it"
        return Finding("warn", f"{q.mebibytes(size)} in {SHM}", advice)
    return Finding("ok", f"{q.mebibytes(size)} in {SHM}")


CHECKS: Final[dict[str, Check]] = {
    "Python": python,
    "llmos": llmos,
    "NVIDIA driver": driver,
    "engine": engine,
    "CUDA in torch": cuda,
    "state folder": state_folder,
    "disk": disk,
    "clock": clock,
    "agent": agent,
    "terminal": terminal,
    "open files": open_files,
    "logout": logout,
    "GPU leases": leases,
    "memory": memory,
    "shared memory": shared_memory,
}


def examine(invocation: Invocation) -> list[tuple[str, Finding]]:
    """What every check finds, in the order of the table; they look at the same time."""
    found: dict[str, Finding] = {}

    def look(name: str, check: Check) -> None:
        found[name] = _guarded(check, invocation)

    looking = {
        name: threading.Thread(target=look, args=(name, check), daemon=True)
        for name, check in CHECKS.items()
    }
    for thread in looking.values():
        thread.start()
    for thread in looking.values():
        thread.join(DEADLINE)
    late = Finding("bad", f"no answer within {DEADLINE:.0f} s")
    return [(name, found.get(name, late)) for name in CHECKS]


def _guarded(check: Check, invocation: Invocation) -> Finding:
    try:
        return check(invocation)
    except LlmosError as error:
        return Finding("bad", str(error))
    except Exception as error:
        return Finding("bad", f"cannot be told: {type(error).__name__}: {error}")


def _colours() -> str:
    if os.environ.get("NO_COLOR"):
        return "no colours (NO_COLOR)"
    if os.environ.get("COLORTERM") in ("truecolor", "24bit"):
        return "16 million colours"
    return "256 colours" if "256" in os.environ.get("TERM", "") else "16 colours"
