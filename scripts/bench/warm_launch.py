"""From handing in a job to a process group of its two ranks: warm, cold, and by torchrun.

Every way runs the same script with the same interpreter. The clock starts just before the job is
handed in, or the command is started, and stops when the later rank has its gloo process group: each
rank writes down the time itself. Each round starts an agent, so that it has a first warm start.
"""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

from llmos.agents.fleet.address import unix
from llmos.agents.fleet.client import Client
from llmos.agents.node.task import launcher
from llmos.agents.node.task.rankcommand import free_port
from llmos.agents.node.task.taskfolder import TaskFolder
from llmos.agents.protocol.jobs import ENDED, JobRecord, JobRequest, Program, Resources
from llmos.scripts.bench import options, programs
from llmos.scripts.bench.report import OURS, Report, progress
from llmos.scripts.bench.stage import Stage, stage

if TYPE_CHECKING:
    from argparse import Namespace

RANKS: Final = 2
PATIENCE: Final = 60.0
"""Seconds until a start counts as one that never came to a process group."""

LOOK: Final = 0.02
"""Seconds between looks at what the ranks wrote; the times are theirs."""

TORCHRUN: Final = "torchrun --standalone"
STATIC: Final = "torchrun --master-port"

WARM: Final = "warm launch"
FIRST: Final = "first warm launch"
COLD: Final = "cold launch"
COMMAND: Final = "llmos run --warm"

SCRIPT: Final = """\
import sys, time
began = time.time()
import os
import torch.distributed as dist
dist.init_process_group("gloo")
grouped = time.time()
path = os.path.join(sys.argv[1], "rank-" + os.environ["RANK"])
with open(path + ".new", "w") as file:
    file.write(f"{began} {grouped}")
os.rename(path + ".new", path)
dist.destroy_process_group()
"""

MARKS: Final = ("order written", "shim", "launcher", "ranks", "script", "process group")
"""What a start passes, each timed from the one before, the first from the handing in."""


class Launched(NamedTuple):
    """A start that came to its process group."""

    seconds: float
    script: float
    """When the later script began: seconds since 1970."""

    group: float
    """When the later rank had its group."""


class Launches:
    """Starts the script in each way, in a folder of its own each time."""

    def __init__(self, place: Stage, command: str) -> None:
        self._place = place
        self._command = shlex.split(command)
        self._count = 0
        self._script = place.folder / "group.py"
        self._script.write_text(SCRIPT)
        # As in a shell of hers in which the environment of llmos is the active one.
        self._environment = place.environment | {"VIRTUAL_ENV": sys.prefix}

    async def by_agent(self, *, warm: bool) -> tuple[Launched | None, dict[str, float]]:
        """Hand in a job, and wait for its end; with it, its seconds from mark to mark."""
        folder = self._folder()
        request = JobRequest(
            kind="command",
            name="group",
            program=Program(
                arguments=[str(self._script), str(folder)], folder=str(folder), warm=warm
            ),
            resources=Resources(ranks=RANKS, gpus=0),
        )
        async with Client(unix(self._place.state / "agent.sock")) as client:
            await client.hello()
            began = time.time()
            job = await client.submit(request)
            launched = await asyncio.to_thread(_grouped, folder, began)
            task = (await _ended(client, job.id)).folder
        if launched is None or task is None:
            return launched, {}
        return launched, _parts(TaskFolder(Path(task)), began, launched)

    def by_command(self, *words: str) -> Launched | None:
        """Run a command to its end."""
        folder = self._folder()
        with (self._place.folder / "commands.log").open("ab") as log:
            began = time.time()
            process = subprocess.Popen(
                [*words, str(self._script), str(folder)],
                env=self._environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            launched = _grouped(folder, began)
            _end(process)
        return launched

    def by_torchrun(self, name: str) -> Launched | None:
        """By torch's own command, in one of its two forms."""
        static = ("--master-addr", "127.0.0.1", "--master-port", str(free_port()))
        form = static if name == STATIC else ("--standalone",)
        torchrun = (sys.executable, "-m", "torch.distributed.run", *form)
        return self.by_command(*torchrun, "--nproc-per-node", str(RANKS))

    def by_user(self) -> Launched | None:
        """As a person types it."""
        return self.by_command(
            *self._command, "run", "--warm", "--ranks", str(RANKS), "--gpus", "0", "--"
        )

    def _folder(self) -> Path:
        self._count += 1
        folder = self._place.folder / f"launch-{self._count}"
        folder.mkdir()
        return folder


def main() -> None:
    """Time the ways to a process group, in turns."""
    parser = options.parser(main.__doc__, others=(TORCHRUN, STATIC))
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    report = Report(f"Launch of {RANKS} ranks, to their process group")
    parts: dict[str, list[dict[str, float]]] = {FIRST: [], WARM: [], COLD: []}
    with stage() as place:
        launches = Launches(place, given.llmos)
        for name in given.peers:
            launches.by_torchrun(name)  # compiles byte code, brings files into the page cache
        for at in range(given.rounds):
            progress(f"round {at + 1} of {given.rounds}")
            _round(place, launches, given, report, parts)
    report.notes += [_where(what, found) for what, found in parts.items() if found]
    report.notes.append(
        f"{given.rounds} rounds in turns, one interpreter, jobs without GPUs. The times of "
        "order and shim are those of files, which the kernel rounds to some milliseconds."
    )
    report.show(given.json)


def _round(
    place: Stage,
    launches: Launches,
    given: Namespace,
    report: Report,
    parts: dict[str, list[dict[str, float]]],
) -> None:
    with place.helpers(programs.llmos(shlex.split(given.llmos))):
        for what, warm in ((FIRST, True), (WARM, True), (COLD, False)):
            launched, found = asyncio.run(launches.by_agent(warm=warm))
            _add(report, OURS, what, launched)
            parts[what] += [found] if found else []
        _add(report, OURS, COMMAND, launches.by_user())
        for name in given.peers:
            _add(report, name, "launch", launches.by_torchrun(name))


def _add(report: Report, program: str, what: str, launched: Launched | None) -> None:
    report.add(program, what, "s", "launch", launched.seconds if launched else None)


async def _ended(client: Client, job: str) -> JobRecord:
    while True:
        record = await client.job(job)
        if record.summary.state in ENDED:
            return record
        await asyncio.sleep(LOOK)


def _grouped(folder: Path, began: float) -> Launched | None:
    """Once every rank has a process group; None where that never comes."""
    paths = [folder / f"rank-{rank}" for rank in range(RANKS)]
    while not all(path.exists() for path in paths):
        if time.time() - began > PATIENCE:
            return None
        time.sleep(LOOK)
    said = [[float(word) for word in path.read_text().split()] for path in paths]
    script, group = (max(times) for times in zip(*said, strict=True))
    return Launched(group - began, script, group)


def _parts(task: TaskFolder, began: float, launched: Launched) -> dict[str, float]:
    said = list(launcher.said_in(launcher.lines_of(task)))
    times = (
        began,
        task.order.stat().st_mtime,
        task.shim_lock.stat().st_mtime,
        min(line.time for line in said if line.what == "launcher"),
        max(line.time for line in said if line.what == "rank"),
        launched.script,
        launched.group,
    )
    spans = (after - before for before, after in pairwise(times))
    return dict(zip(MARKS, spans, strict=True))


def _where(what: str, found: list[dict[str, float]]) -> str:
    middle = {mark: 1000 * median(parts[mark] for parts in found) for mark in MARKS}
    return f"{what}, median ms to " + ", ".join(f"{m} {ms:.0f}" for m, ms in middle.items())


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
