"""Builds the NVML stand-in and writes the state that it answers from.

`python tests/nvml/standin.py FOLDER` shows eight H100 whose figures move; it prints the
variables under which a program sees them. The state file's form stands in standin.c.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import math
import os
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

SOURCES = Path(__file__).parent
LIBRARY = "libnvidia-ml.so.1"
COMPILE = ("gcc", "-shared", "-fPIC", "-O1", "-std=gnu17", "-Wall", "-Wextra", "-Werror")
LINK = ("-fvisibility=hidden", "-pthread", f"-Wl,-soname,{LIBRARY}")
OLD = "-DOLD_LIBRARY"

VERSION = "580.65.06"
MIB = 1 << 20
GIB = 1 << 30
XID_EVENT = 8
FAULTS = ("fault", "slow", "unsupported")

BUSES = (0x19, 0x3B, 0x4C, 0x5D, 0x9B, 0xBB, 0xCB, 0xDB)
"""PCI buses of the eight GPUs on an HGX board."""

LOADS = (97.0, 93.0, 98.0, 88.0, 71.0, 46.0, 0.0, 0.0)
"""Utilization, in per cent, around which each GPU moves; the last two idle."""

Kind = Literal["compute", "graphics", "mps"]

BOARD: Mapping[str, str | int] = {
    "name": "NVIDIA H100 80GB HBM3",
    "vbios": "96.00.89.00.01",
    "part_number": "692-2G520-0200-000",
    "brand": 14,
    "architecture": 9,
    "capability.major": 9,
    "capability.minor": 0,
    "cores": 16896,
    "memory_bus_width": 5120,
    "display.mode": 0,
    "display.active": 0,
    "persistence": 1,
    "compute_mode": 0,
    "performance_state": 0,
    "memory.total": 81559 * MIB,
    "memory.reserved": 551 * MIB,
    "bar1.total": 128 * GIB,
    "bar1.used": 2 * MIB,
    "threshold.shutdown": 92,
    "threshold.slowdown": 89,
    "threshold.memory": 95,
    "threshold.gpu": 87,
    "power_limit": 700_000,
    "power_limit.default": 700_000,
    "power_limit.enforced": 700_000,
    "power_limit.min": 200_000,
    "power_limit.max": 700_000,
    "clock_max.graphics": 1980,
    "clock_max.sm": 1980,
    "clock_max.memory": 2619,
    "clock_max.video": 1545,
    "fan.count": 1,
    "throttle.supported": 0x1FF,
    "pcie.generation": 5,
    "pcie.generation_max": 5,
    "pcie.width": 16,
    "pcie.width_max": 16,
    "pcie.replays": 0,
    "encoder": 0,
    "decoder": 0,
    "jpeg": 0,
    "ofa": 0,
    "ecc.mode": 1,
    "ecc.mode_pending": 1,
    "ecc.mode_default": 1,
    "ecc.corrected.volatile": 0,
    "ecc.corrected.volatile.dram": 0,
    "ecc.corrected.volatile.sram": 0,
    "ecc.corrected.aggregate": 0,
    "ecc.corrected.aggregate.dram": 0,
    "ecc.corrected.aggregate.sram": 0,
    "ecc.uncorrected.volatile": 0,
    "ecc.uncorrected.volatile.dram": 0,
    "ecc.uncorrected.volatile.sram": 0,
    "ecc.uncorrected.aggregate": 0,
    "ecc.uncorrected.aggregate.dram": 0,
    "ecc.uncorrected.aggregate.sram": 0,
    "remap.correctable": 0,
    "remap.uncorrectable": 0,
    "remap.pending": 0,
    "remap.failed": 0,
    "remap.histogram": "640 0 0 0 0",
    "nvlink.links": 18,
    "nvlink.state": 1,
    "nvlink.version": 4,
    "nvlink.speed": 26562,
    "nvlink.remote": "00000000:05:00.0",
    "nvlink.remote_type": 2,
    "nvlink.replay": 0,
    "nvlink.recovery": 0,
    "nvlink.crc_flit": 0,
    "nvlink.crc_data": 0,
    "nvlink.ecc_data": 0,
    "mig.mode": 0,
    "mig.mode_pending": 0,
    "mig.max": 7,
    "event_types": 0x1F,
}
"""What does not move, as an H100 SXM answers it. It has no retired pages: rows are remapped. It
has no fan either, but one is given, for otherwise no test would see a fan's figure."""


def build(folder: Path, *, old: bool = False) -> Path:
    """Put the compiled library into `folder`; `old` leaves out what drivers before R470 lack."""
    flags = [OLD] if old else []
    sources = sorted(SOURCES.glob("*.[ch]"))
    digest = hashlib.sha256(repr((COMPILE, LINK, flags)).encode())
    for source in sources:
        digest.update(source.read_bytes())
    cache = _private_cache() / f"{digest.hexdigest()[:24]}.so"
    if not cache.exists():
        units = [str(source) for source in sources if source.suffix == ".c"]
        _replace(cache, lambda fresh: _compile([*flags, *units], fresh))
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / LIBRARY
    _replace(library, lambda fresh: shutil.copyfile(cache, fresh))
    return library


class Standin:
    """The stand-in's library, state file and event log in one folder.

    Every change replaces the state file at once and under a lock, so that a test may set a fault
    while another process moves the figures.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / LIBRARY
        self.state_path = folder / "state"
        self.events_path = folder / "events"

    @classmethod
    def create(cls, folder: Path, gpus: int = 8, *, host: str = "node") -> Standin:
        """Build the library into `folder` beside the state of a host of H100s.

        `host` makes the UUIDs and serial numbers of several hosts differ.
        """
        build(folder)
        standin = cls(folder)
        standin.events_path.touch()
        with standin._edit() as state:
            state.clear()
            state |= {"system.gpus": str(gpus), "system.cuda": "13000"}
            state |= {"system.nvml": VERSION, "system.driver": VERSION}
            for gpu in range(gpus):
                figures = {**BOARD, **_identity(host, gpu), **moving_figures(gpu, 0.0)}
                _assign(state, gpu, figures)
        return standin

    def environment(self) -> dict[str, str]:
        """Give the variables under which a child process finds this library and state."""
        paths = [str(self.folder.absolute()), os.environ.get("LD_LIBRARY_PATH", "")]
        return {
            "LLMOS_NVML_STATE": str(self.state_path.absolute()),
            "LD_LIBRARY_PATH": os.pathsep.join(path for path in paths if path),
        }

    def set(self, gpu: int, key: str, value: str | int | None) -> None:
        """Change one figure; None makes it unsupported for good."""
        self.update({gpu: {key: value}})

    def update(self, figures: Mapping[int, Mapping[str, str | int | None]]) -> None:
        """Change many figures, by GPU and key, at once."""
        with self._edit() as state:
            for gpu, of_gpu in figures.items():
                _assign(state, gpu, of_gpu)

    def lose(self, gpu: int) -> None:
        """Every call answers that the GPU is lost."""
        self.set(gpu, "fault", "lost")

    def hang(self, gpu: int) -> None:
        """Calls do not return until the GPU is healed or lost."""
        self.set(gpu, "fault", "hung")

    def slow(self, gpu: int, seconds: float) -> None:
        """Every call takes that long."""
        self.set(gpu, "slow", str(seconds))

    def unsupported(self, gpu: int, *names: str) -> None:
        """Make keys (with all below them) or whole functions answer "not supported"."""
        with self._edit() as state:
            known = state.get(f"{gpu}.unsupported", "").split()
            _assign(state, gpu, {"unsupported": " ".join([*known, *names])})

    def heal(self, gpu: int) -> None:
        """Take all faults of the GPU away; its figures are as before."""
        self.update({gpu: dict.fromkeys(FAULTS)})

    def xid(self, gpu: int, number: int) -> None:
        """Report an XID once to every event set that waits for the GPU's."""
        with self.events_path.open("a") as events:
            events.write(f"{gpu} {XID_EVENT} {number}\n")

    def mig(self, gpu: int, profiles: Iterable[str]) -> None:
        """Divide the GPU by profiles such as "1g.10gb"; without any, MIG is off."""
        with self._edit() as state:
            for key in [key for key in state if _of_instance(gpu, key)]:
                del state[key]
            instances = list(profiles)
            mode = int(bool(instances))
            _assign(state, gpu, {"mig.mode": mode, "mig.mode_pending": mode})
            for index, profile in enumerate(instances):
                figures = _instance(state, gpu, index, profile)
                _assign(state, gpu, {f"mig.{index}.{key}": v for key, v in figures.items()})

    def processes(
        self, gpu: int, processes: Iterable[tuple[int, int | None, Kind]], mig: int | None = None
    ) -> None:
        """Say which processes (PID, bytes of GPU memory or None if unknown, kind) use the GPU."""
        words = [f"{pid}:{'n/a' if used is None else used}:{kind}" for pid, used, kind in processes]
        self.set(gpu, "processes" if mig is None else f"mig.{mig}.processes", " ".join(words))

    def driver(self, state: str) -> None:
        """Break the driver, or mend it.

        "broken" and "hung" are answered by nvmlInit; "missing symbols" puts an older library in
        place, for processes that start later; else it is the version of the kernel's driver,
        which fails nvmlInit unless it is `VERSION`, the library's.
        """
        build(self.folder, old=state == "missing symbols")
        with self._edit() as lines:
            lines.pop("system.fault", None)
            if state in {"broken", "hung"}:
                lines["system.fault"] = state
            elif state != "missing symbols":
                lines["system.driver"] = state

    @contextlib.contextmanager
    def _edit(self) -> Iterator[dict[str, str]]:
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self._read()
            yield state
            text = "".join(f"{key} = {value}\n" for key, value in state.items())
            _replace(self.state_path, lambda fresh: fresh.write_text(text))

    def _read(self) -> dict[str, str]:
        if not self.state_path.exists():
            return {}
        lines = self.state_path.read_text().splitlines()
        pairs = (line.partition("=") for line in lines if not line.startswith("#"))
        return {key.strip(): value.strip() for key, _, value in pairs}


def moving_figures(gpu: int, seconds: float) -> dict[str, str | int]:
    """Give the figures that change with time, all derived from one smooth load."""
    load = _load(gpu, seconds)
    watts = 68 + 3 * (gpu % 4) + 5.9 * load
    clock = 345 if load < 1 else round(1980 - max(0.0, watts - 560) * 2.2)
    traffic = load * 24_000
    memory = 0.9 * LOADS[gpu % len(LOADS)] / 100 + 0.02 * math.sin(seconds / 40 + gpu)
    return {
        "utilization": round(load),
        "utilization.memory": round(load * 0.62),
        "memory.used": max(4 * MIB, int(memory * 81559) * MIB),
        "temperature": round(31 + gpu % 4 + 0.37 * load),
        "temperature.memory": round(38 + gpu % 4 + 0.42 * load),
        "power": round(watts * 1000),
        "energy": round(9e11 + gpu * 1e9 + watts * 1000 * seconds),
        "fan": round(30 + 0.4 * load),
        "performance_state": 0,
        "throttle": 1 if load < 1 else 4 if watts > 640 else 0,
        "clock.graphics": clock,
        "clock.sm": clock,
        "clock.memory": 2619,
        "clock.video": 1545 if load >= 1 else 765,
        "pcie.tx": round(traffic * 0.4),
        "pcie.rx": round(traffic),
        "nvlink.tx": round(8e9 + traffic * 30 * seconds),
        "nvlink.rx": round(8e9 + traffic * 31 * seconds),
    }


def _load(gpu: int, seconds: float) -> float:
    around = LOADS[gpu % len(LOADS)]
    swing = min(around, 100 - around, 12.0)
    slow = math.sin(seconds / 17 + gpu * 1.3)
    fast = math.sin(seconds / 3.1 + gpu * 2.1)
    return around + swing * (0.7 * slow + 0.3 * fast)


def _identity(host: str, gpu: int) -> dict[str, str | int]:
    bus = BUSES[gpu] if gpu < len(BUSES) else gpu + 1
    first_core = 0 if gpu % 8 < 4 else 56
    return {
        "uuid": f"GPU-{uuid.uuid5(uuid.NAMESPACE_DNS, f'{host}.{gpu}')}",
        "serial": str(
            1650000000000 + int(hashlib.sha256(f"{host}.{gpu}".encode()).hexdigest()[:6], 16)
        ),
        "minor": gpu,
        "pci": f"00000000:{bus:02X}:00.0",
        "pci.device_id": 0x233010DE,
        "pci.subsystem_id": 0x16C110DE,
        "numa": 0 if gpu % 8 < 4 else 1,
        "cpus": f"{first_core}-{first_core + 55}",
    }


def _instance(state: Mapping[str, str], gpu: int, index: int, profile: str) -> dict[str, str | int]:
    slices, gigabytes = profile.removesuffix("gb").split("g.")
    memory = int(gigabytes) * GIB * 97 // 100
    return {
        "name": f"{state[f'{gpu}.name']} MIG {profile}",
        "uuid": f"MIG-{uuid.uuid5(uuid.NAMESPACE_DNS, state[f'{gpu}.uuid'] + str(index))}",
        "gpu_instance": index + 1,
        "compute_instance": 0,
        "memory.total": memory,
        "memory.used": memory // 10 * (index + 1) // 2,
        "memory.reserved": 0,
        "attributes.multiprocessors": 16 * int(slices),
        "attributes.copy_engines": int(slices),
        "attributes.decoders": int(slices),
        "attributes.encoders": 0,
        "attributes.jpegs": int(slices),
        "attributes.ofas": 0,
        "attributes.gpu_slices": int(slices),
        "attributes.compute_slices": int(slices),
    }


def _of_instance(gpu: int, key: str) -> bool:
    section, *rest = key.split(".")
    return section == str(gpu) and rest[0] == "mig" and rest[1].isdigit()


def _assign(state: dict[str, str], gpu: int, figures: Mapping[str, str | int | None]) -> None:
    for key, value in figures.items():
        if value is None:
            state.pop(f"{gpu}.{key}", None)
        else:
            state[f"{gpu}.{key}"] = str(value)


def _private_cache() -> Path:
    """Give a folder of this user's for compiled libraries: what it holds gets loaded."""
    folder = Path(tempfile.gettempdir()) / f"llmos-nvml-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else: remove it or set TMPDIR")
    return folder


def _compile(arguments: list[str], library: Path) -> None:
    command = [*COMPILE, *LINK, *arguments, "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"gcc could not build the NVML stand-in:\n{done.stderr}")


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    write(fresh)
    fresh.replace(path)


def _demonstrate(standin: Standin, gpus: int, seconds: float) -> None:
    start = time.monotonic()
    while (elapsed := time.monotonic() - start) < seconds:
        standin.update({gpu: moving_figures(gpu, elapsed) for gpu in range(gpus)})
        time.sleep(1.0)


def main() -> None:
    """Write a host of H100s into a folder and let its figures move until interrupted."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=math.inf, help="how long they move")
    options = parser.parse_args()
    standin = Standin.create(options.folder, options.gpus)
    for gpu in range(options.gpus):
        if LOADS[gpu % len(LOADS)] > 0:
            standin.processes(gpu, [(os.getpid(), (70 - 5 * gpu) * GIB, "compute")])
    for name, value in standin.environment().items():
        print(f"export {name}={shlex.quote(value)}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        _demonstrate(standin, options.gpus, options.seconds)


if __name__ == "__main__":
    main()
