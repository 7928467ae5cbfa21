"""One agent, put together: what it samples, runs, records and sends."""

import asyncio
import contextlib
import os
import signal
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import psutil

from .. import locations as places
from ..errors import RecordsError, RequestRefused, StateFolderError
from ..protocol.artifacts import Unneeded
from ..protocol.events import Event
from ..protocol.facts import Collector, Hello, JobFacts, NodeFacts, SignalRequest
from ..protocol.fields import GPU_STATES
from ..protocol.frames import Kind
from ..protocol.jobs import JobSummary, LogPiece, Metric, RankStacks
from ..records.artifacts import ArtifactRecords
from ..records.events import EventRecords
from ..samplers.collection import Collection
from ..version import llmos_version
from .jobs.supervisor import Supervisor
from .pulse import Pulse
from .reports import aftermath
from .streams import Streams, of
from .task.taskfolder import TaskFolder

EVENTS_LIMIT: Final = 1000

BUNDLED_POINTS: Final = 2000

START_TOLERANCE: Final = 0.5
"""Seconds: a start time that has been through JSON and rounding is still the same."""

SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP})


YOUNG: Final = 3600.0
"""Seconds for which an artifact is kept whoever needs it: its maker may be about to name it."""


class Agent:
    """The parts of an agent and what passes between them."""

    def __init__(
        self,
        node: str,
        locations: places.Locations,
        collection: Collection,
        supervisor: Supervisor,
        records: EventRecords,
        artifacts: ArtifactRecords,
        *,
        dcgm_names: bool = False,
    ) -> None:
        self.locations = locations
        self.supervisor = supervisor
        self.artifacts = artifacts
        self.streams = Streams()
        self.dcgm_names = dcgm_names
        self.version = llmos_version()
        self.boot = uuid.uuid4().hex[:12]
        self.node = node
        self.pulse = Pulse(collection, self.streams, self.node, self._refine)
        self._collection = collection
        self._records = records
        self._busy = time.monotonic()
        self._aftermaths: set[asyncio.Task[None]] = set()

    def hello(self, stream: str, interval: float) -> Hello:
        """Who speaks on a stream."""
        return Hello(
            version=self.version, node=self.node, boot=self.boot, stream=stream, interval=interval
        )

    def unneeded_artifacts(self) -> Unneeded:
        """What could be forgotten: neither young nor needed by an alias, a job or what is kept."""
        jobs = self.supervisor.course.jobs.keys()
        before = time.time() - YOUNG
        return self.artifacts.unneeded(jobs, self.supervisor.inputs(), before)

    def close(self) -> None:
        """Let the readers go and the samplers end; jobs run on."""
        for task in self._aftermaths:
            task.cancel()
        self.streams.close_all()
        self._collection.close()

    def touch(self) -> None:
        """Somebody asked something."""
        self._busy = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        """How long no client was connected and no job ran."""
        if len(self.streams) or self.supervisor.running:
            self.touch()
        return time.monotonic() - self._busy

    def events(self, last: int) -> list[Event]:
        """The newest events, newest last."""
        return self._records.last(min(last, EVENTS_LIMIT))

    async def bundle(self, job: str) -> Iterator[bytes]:
        """All that is known of a job as an archive, in pieces. Raises RequestRefused (404)."""
        from .reports.bundle import Contents, build  # what packs archives is for who asks

        record = self.supervisor.get(job)
        stacks: Sequence[RankStacks] = ()
        with contextlib.suppress(RequestRefused):  # it does not run
            stacks = await self.supervisor.stacks(job)
        contents = Contents(
            record=record,
            facts=self.pulse.facts,
            events=self.events(EVENTS_LIMIT),
            samples=self.streams.samples(),
            stacks=stacks,
            curves=await self.supervisor.series(job, BUNDLED_POINTS, rank=None),
        )
        return build(contents)

    def keep_aftermath(self, summary: JobSummary, folder: TaskFolder) -> None:
        """Keep what is measured around the end of a job, once that has been."""
        ended = time.time() if summary.ended is None else summary.ended
        around = aftermath.window(ended, summary.started)
        task = asyncio.get_running_loop().create_task(self._keep_aftermath(folder, around))
        self._aftermaths.add(task)
        task.add_done_callback(self._aftermaths.discard)

    async def _keep_aftermath(self, folder: TaskFolder, around: aftermath.Window) -> None:
        try:
            await asyncio.sleep(around.last - time.time())
        finally:  # also where the agent ends before
            samples = [one for one in self.streams.samples() if around.holds(one[0])]
            if samples:
                aftermath.keep(folder, self.pulse.facts, samples)

    def report(self, event: Event) -> None:
        """Store an event, then send it; on a full disk, send it all the same."""
        if not event.node:
            event.node = self.node
        with contextlib.suppress(RecordsError):
            self._records.add(event)
        self.streams.event(event)

    def publish(self, item: JobSummary | Metric | LogPiece) -> None:
        """Send what the supervisor says to those who show it."""
        if isinstance(item, JobSummary):
            self.streams.facts(JobFacts(job=item))
            return
        kind = Kind.METRIC if isinstance(item, Metric) else Kind.LOG
        frame = of(kind, item)
        for stream in self.streams:
            shown = stream.interest.jobs if kind is Kind.METRIC else stream.interest.logs
            if item.job in shown:
                stream.put(frame)

    def interest_changed(self) -> None:
        """Tell the supervisor whose metrics and logs anybody shows."""
        self.supervisor.course.shown_metrics = {j for s in self.streams for j in s.interest.jobs}
        self.supervisor.course.shown_logs = {j for s in self.streams for j in s.interest.logs}

    def gpu_states(self) -> dict[int, str | None]:
        """The state of each GPU row, as last sampled."""
        return {
            row: None if state is None else GPU_STATES[int(state)]
            for row, state in enumerate(gpu["state"] for gpu in self.pulse.reading.gpus)
        }

    def require_node(self, node: str) -> None:
        """Raises RequestRefused unless `node` is this one: "self" is, too."""
        if node not in (self.node, "self"):
            raise RequestRefused(f"no node {node!r} here; this is {self.node}", status=404)

    def signal(self, pid: int, asked: SignalRequest) -> None:
        """Send a signal to a process that the detail of this node lists.

        Only those: the agent is no way to reach other processes. The start time names the process
        beyond doubt, so that a pid used again is never hit.
        """
        if asked.signal not in SIGNALS:
            known_signals = sorted(map(int, SIGNALS))
            raise RequestRefused(f"signal {asked.signal} is not one of {known_signals}")
        listed = {each.pid: each for each in self.pulse.detail().processes}
        if pid not in listed:
            raise RequestRefused(f"process {pid} uses no GPU and belongs to no job", status=404)
        known = listed[pid].started
        if known is None or abs(known - asked.started) > START_TOLERANCE:
            raise RequestRefused(f"process {pid} is not the one you saw; look again", status=409)
        try:
            psutil.Process(pid).send_signal(asked.signal)
        except psutil.NoSuchProcess:
            raise RequestRefused(f"process {pid} has ended", status=404) from None
        except psutil.AccessDenied:
            owner = listed[pid].user or "another user"
            raise RequestRefused(
                f"process {pid} belongs to {owner}; this agent may not signal it", status=403
            ) from None

    def _refine(self, facts: NodeFacts) -> None:
        """What the agent itself knows of the node."""
        facts.version = self.version
        if self.locations.moved_from is not None:
            facts.collectors.append(
                Collector(
                    name="state folder",
                    message=f"{self.locations.moved_from} is on a network file system; "
                    f"using {self.locations.state}",
                )
            )


def stored_node_id(path: Path) -> str:
    """The id of this node, made at the first start: a renamed host keeps it.

    Raises StateFolderError where it cannot be stored.
    """
    try:
        stored = path.read_text(errors="replace").strip()
    except OSError:
        stored = ""
    if stored.isascii() and stored.isalnum():
        return stored
    made = uuid.uuid4().hex[:12]
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        temporary.write_text(made + "\n")
        temporary.replace(path)
    except OSError as error:
        raise StateFolderError(f"cannot write {path}: {error.strerror}; free space") from error
    return made
