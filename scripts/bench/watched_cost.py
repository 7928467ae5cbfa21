"""What a training run pays for being watched: throughput under llmos beside a bare launch.

Both run the same script with the same interpreter: two gloo ranks, a fixed number of real steps.
Watched, it is a job of an agent that samples eight GPUs at 1 Hz, and somebody shows its figures and
its logs; each step is said, as `engine.train` does. Bare, the two processes run with the variables
that torchrun would set, their output in files, and nothing of llmos runs. The runs are paired, and
which of a pair comes first alternates.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shlex
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from llmos.agents.errors import RequestRefused
from llmos.agents.fleet.address import unix
from llmos.agents.fleet.client import Client
from llmos.agents.node.task import launcher
from llmos.agents.node.task.rankcommand import free_port
from llmos.agents.node.task.taskfolder import TaskFolder
from llmos.agents.protocol.facts import Facts, Hello, Interest, JobFacts
from llmos.agents.protocol.frames import Kind
from llmos.agents.protocol.jobs import ENDED, JobRequest, Program, Resources
from llmos.scripts.bench import options, programs
from llmos.scripts.bench.processes import FOREIGN_LIMIT, Cost, Window
from llmos.scripts.bench.report import OURS, Report, progress
from llmos.scripts.bench.stage import Stage, stage

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

RANKS: Final = 2
WARM_UP: Final = 20
"""Steps before the clock starts: allocators and connections settle."""

PATIENCE: Final = 600.0
LOOK: Final = 0.1
"""Seconds between looks at how far the script is; the times are its own."""

LEAVING: Final = 5.0
"""Seconds that a run has to end once its steps are done."""

BARE: Final = "bare"
LOST: Final = "throughput lost to being watched"
RESAMPLES: Final = 10_000

SCRIPT: Final = Path(__file__).with_name("watched_steps.py")


class Run(NamedTuple):
    """One run of the script."""

    rate: float
    """Steps a second, without those of the warm-up."""

    foreign: float
    """What others took of the machine meanwhile, in per cent."""

    costs: dict[str, Cost]
    """Of the processes of llmos, by name."""


class Runs:
    """Runs the script in both ways, in a folder of its own each time."""

    def __init__(self, place: Stage, given: Namespace) -> None:
        self._place = place
        self._given = given
        self._count = 0

    async def bare(self) -> Run:
        """Nothing but the two processes."""
        folder, words = self._folder()
        started = [self._start_bare(rank, folder, words) for rank in _variables()]

        def check() -> None:
            if any(process.poll() for process in started):
                raise SystemExit(f"bare: {(folder / 'rank-0.log').read_text()[-2000:]}")

        try:
            return await self._timed(folder, {}, check)
        finally:
            for process in started:
                _end(process)

    async def watched(self) -> Run:
        """As a job, which somebody shows."""
        folder, words = self._folder()
        request = JobRequest(
            kind="command",
            name="steps",
            program=Program(arguments=words, folder=str(folder), warm=self._given.warm),
            resources=Resources(ranks=RANKS, gpus=0),
        )
        with self._place.helpers(programs.llmos(shlex.split(self._given.llmos))) as helpers:
            async with Client(unix(self._place.state / "agent.sock")) as client:
                job = (await client.submit(request)).id
                shown = Shown()
                showing = asyncio.create_task(shown.show(client, job))
                try:
                    await _until(folder / "began", shown.check)
                    task = TaskFolder(Path((await client.job(job)).folder or ""))
                    processes = {"agent": helpers["agent"], **_owners(task)}
                    run = await self._timed(folder, processes, shown.check)
                finally:
                    await _ended(client, job)
                    showing.cancel()
                    await asyncio.wait({showing})
        if not (shown.figures and shown.printed):
            raise SystemExit("nothing of the job was shown: it was not watched")
        return run

    async def _timed(
        self, folder: Path, processes: dict[str, int], check: Callable[[], None]
    ) -> Run:
        await _until(folder / "began", check)
        window = Window(processes)
        await _until(folder / "seconds", check)
        costs = window.end()
        (folder / "leave").touch()
        seconds = float((folder / "seconds").read_text())
        return Run((self._given.steps - WARM_UP) / seconds, window.foreign, costs)

    def _start_bare(
        self, variables: dict[str, str], folder: Path, words: list[str]
    ) -> subprocess.Popen[bytes]:
        with (folder / f"rank-{variables['RANK']}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-u", *words],
                env=self._place.environment | variables,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # as the shim: the scheduler may share by session
            )

    def _folder(self) -> tuple[Path, list[str]]:
        self._count += 1
        folder = self._place.folder / f"run-{self._count}"
        folder.mkdir()
        return folder, [str(SCRIPT), str(folder), str(self._given.steps), str(WARM_UP)]


class Shown:
    """A client that shows one job."""

    def __init__(self) -> None:
        self.figures = self.printed = 0
        self.ended = ""

    def check(self) -> None:
        """Raises SystemExit where the job has ended before its time."""
        if self.ended:
            raise SystemExit(f"watched: {self.ended}")

    async def show(self, client: Client, job: str) -> None:
        """Read the stream until cancelled."""
        async for frames in client.stream():
            for frame in frames:
                if frame.kind == Kind.HELLO:
                    stream = msgspec.msgpack.decode(frame.payload, type=Hello).stream
                    await client.show(stream, Interest(jobs=[job], logs=[job]))
                self.figures += frame.kind == Kind.METRIC
                self.printed += frame.kind == Kind.LOG
                if frame.kind == Kind.FACTS:
                    self._look(frame.payload, job)

    def _look(self, payload: bytes, job: str) -> None:
        facts = msgspec.msgpack.decode(payload, type=Facts)
        if isinstance(facts, JobFacts) and facts.job.id == job and facts.job.state in ENDED:
            self.ended = facts.job.cause


def main() -> None:
    """Compare the steps a second of watched and bare runs, pair by pair."""
    parser = options.parser(main.__doc__, others=(BARE,))
    parser.add_argument("--rounds", type=int, default=12, help="pairs of runs")
    parser.add_argument("--steps", type=int, default=500, help="of a run; 30 s or so")
    parser.add_argument("--warm", action="store_true", help="fork the watched ranks, with torch")
    given = parser.parse_args()
    report = Report("What being watched costs a training run")
    lost: list[float] = []
    with stage(still=True) as place:
        runs = Runs(place, given)
        for at in range(given.rounds):
            progress(f"pair {at + 1} of {given.rounds}")
            watched, bare = asyncio.run(_pair(runs, watched_first=at % 2 == 0))
            lost.append(100 * (1 - watched.rate / bare.rate))
            _add(report, watched, bare, lost[-1])
    low, high = interval(lost)
    report.notes.append(
        f"{LOST}: median {median(lost):.2f} %, with 95 % confidence between {low:.2f} and "
        f"{high:.2f} % (bootstrap of the median over {len(lost)} pairs, {RESAMPLES} resamples)."
    )
    report.notes.append(
        f"{RANKS} gloo ranks, {given.steps - WARM_UP} steps after {WARM_UP} of warm-up, "
        f"{'warm' if given.warm else 'cold'} start; CPU is user + system in per cent of one core."
    )
    report.show(given.json)


async def _pair(runs: Runs, *, watched_first: bool) -> tuple[Run, Run]:
    if watched_first:
        watched = await runs.watched()
        return watched, await runs.bare()
    bare = await runs.bare()
    return await runs.watched(), bare


def _add(report: Report, watched: Run, bare: Run, lost: float) -> None:
    report.add(OURS, "steps", "/s", "steps", watched.rate)
    report.add(BARE, "steps", "/s", "steps", bare.rate)
    report.add(OURS, LOST, "%", LOST, lost)
    for name, cost in watched.costs.items():
        report.add(OURS, f"{name} CPU, watched", "%", name, cost.cpu)
    for name, run in (("watched", watched), (BARE, bare)):
        if run.foreign > FOREIGN_LIMIT:
            report.notes.append(
                f"**Not alone**: while pair {len(report.series[0].values)} ran {name}, others took "
                f"{run.foreign:.0f} % of the machine."
            )


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % confidence interval of the median, by the percentile bootstrap.

    Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.
    """
    draw = random.Random(0)
    medians = sorted(median(draw.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES)]


def _variables() -> list[dict[str, str]]:
    """What torchrun would tell each rank, and as many threads as a job's ranks get."""
    shared = {
        "WORLD_SIZE": str(RANKS),
        "LOCAL_WORLD_SIZE": str(RANKS),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": str(max(1, len(os.sched_getaffinity(0)) // RANKS)),
    }
    return [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(RANKS)]


def _owners(task: TaskFolder) -> dict[str, int]:
    """Shim and launcher, by name."""
    found = {s.what: s.pid for s in launcher.said_in(launcher.lines_of(task))}
    state = task.read_state()
    assert state is not None
    return {"shim": state.shim, "launcher": found["launcher"]}


async def _until(path: Path, check: Callable[[], None]) -> None:
    """Once a file is there; `check` may say why it never will be."""
    until = time.monotonic() + PATIENCE
    while not path.exists():  # noqa: ASYNC240 - of a folder in memory
        check()
        if time.monotonic() > until:
            raise SystemExit(f"{path.name} never came")
        await asyncio.sleep(LOOK)


async def _ended(client: Client, job: str) -> None:
    """Once the job has ended; it is stopped where it does not end by itself."""
    until = time.monotonic() + LEAVING
    while (await client.job(job)).summary.state not in ENDED:
        if time.monotonic() > until:
            with contextlib.suppress(RequestRefused):  # it has just ended
                await client.stop(job)
        await asyncio.sleep(LOOK)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(LEAVING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
