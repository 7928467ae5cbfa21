"""The agent as a process: `python -m llmos.agents.daemon`, or `llmos agent`.

Takes the lock, opens the records, starts the samplers, listens, and ends when told to or when it
has been idle. The only module that wires the rooms of `agents` together.
"""

import argparse
import asyncio
import contextlib
import fcntl
import ipaddress
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from . import locations as places
from . import logsize, start
from .errors import LlmosError, StateFolderError, UsageError
from .node.agent import Agent, stored_node_id
from .node.api import application
from .node.jobs.occupancy import occupancy
from .node.jobs.supervisor import Supervisor
from .protocol.events import Event
from .records.artifacts import ArtifactRecords
from .records.database import Database
from .records.events import EventRecords
from .records.jobs import JobRecords
from .samplers.collection import Collection
from .samplers.host import HostSampler
from .samplers.nvml import NvmlSampler
from .samplers.processes import ProcessSampler

IDLE_SECONDS: Final = 300.0
"""A detached agent ends this long after its last client and job are gone."""

IDLE_LOOK_SECONDS: Final = 10.0

LOCK_SECONDS: Final = 3.0
"""A detached agent waits this long for one that is just ending, unless that one answers."""

LOCK_LOOK_SECONDS: Final = 0.05


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How an agent is to run."""

    state: Path | None = None
    """The state folder; None for the user's own on this host."""

    listen: str | None = None
    """HOST:PORT on loopback, read-only and in the clear, for curl and Prometheus."""

    idle: float | None = None
    """Seconds without client or job after which it ends; None for never."""

    dcgm_names: bool = False
    """Whether /metrics uses the DCGM exporter's names."""


def main(arguments: list[str] | None = None) -> int:
    """Run an agent until it ends; the exit status. 0 also where another agent already runs."""
    options, detached = _parse(arguments)
    try:
        locations = places.find(options.state)
        patience = LOCK_SECONDS if detached else 0.0
        with _lock(locations, patience) as taken:
            if not taken:
                if not detached:
                    print(f"an agent of yours already runs: {locations.socket}", file=sys.stderr)
                return 0
            asyncio.run(serve(locations, options))
    except LlmosError as error:
        print(f"llmos agent: {error}", file=sys.stderr)
        return error.exit_code
    return 0


async def serve(locations: places.Locations, options: Options) -> None:
    """Serve until SIGTERM, SIGINT or idleness. A hangup is no reason to end."""
    tcp = None if options.listen is None else _loopback(options.listen)
    if start.answers(locations):
        raise StateFolderError(
            f"an agent with another state folder listens at {locations.socket}; stop that one, "
            "or set XDG_RUNTIME_DIR as XDG_STATE_HOME is"
        )
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    with contextlib.closing(Database.open(locations.state)) as database:
        agent = wire(locations, options, database)
        logging.getLogger("aiohttp.server").addFilter(_is_worth_a_log)
        runner = web.AppRunner(application(agent), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            agent.supervisor.course.adopt()
            await _listen(runner, locations.socket, tcp)
            await _live(agent, options.idle, ended)
        finally:
            agent.close()
            await runner.cleanup()
            locations.socket.unlink(missing_ok=True)


def wire(locations: places.Locations, options: Options, database: Database) -> Agent:
    """Put an agent together."""
    agent: Agent
    loop = asyncio.get_running_loop()
    node = stored_node_id(locations.node_id)

    def soon(call: Callable[[], None]) -> None:
        """From any thread; a thread that is late finds the loop closed, and nobody listens."""
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(call)

    def report(event: Event) -> None:
        soon(lambda: agent.report(event))

    def sample_now() -> None:
        soon(rows_known)

    def rows_known() -> None:
        agent.pulse.sample_now()
        supervisor.gpus_known.set()

    artifacts = ArtifactRecords(database)
    nvml = NvmlSampler(report, sample_now)
    supervisor = Supervisor(
        JobRecords(database),
        artifacts,
        locations.state,
        node,
        store=places.artifact_store(locations),
        publish=lambda item: agent.publish(item),
        report=report,
        gpus=lambda: occupancy(
            agent.pulse.facts.gpus,
            agent.gpu_states(),
            nvml.processes(),
            supervisor.holders(),
            supervisor.course.leases,
        ),
        on_end=lambda summary, folder: agent.keep_aftermath(summary, folder),
        gpus_known=False,
    )
    processes = ProcessSampler(nvml.processes, supervisor.processes)
    agent = Agent(
        node,
        locations,
        Collection([HostSampler(), nvml, processes]),
        supervisor,
        EventRecords(database),
        artifacts,
        dcgm_names=options.dcgm_names,
    )
    if database.moved_aside is not None:
        agent.report(_moved_aside(database.moved_aside))
    return agent


async def _live(agent: Agent, idle: float | None, ended: asyncio.Event) -> None:
    """Sample, beat and run jobs until `ended` is set or nobody wants anything any more."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(agent.pulse.run()),
                group.create_task(agent.supervisor.course.run()),
            ]
            look = None if idle is None else min(max(idle / 4, 0.1), IDLE_LOOK_SECONDS)
            while not ended.is_set() and not (idle is not None and agent.idle_seconds > idle):
                logsize.keep_small(agent.locations.log)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(look):
                        await ended.wait()
            for task in tasks:
                task.cancel()
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


async def _listen(runner: web.AppRunner, socket: Path, tcp: tuple[str, int] | None) -> None:
    # What lies there was left by an agent that died: the lock says that no other lives.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(socket)
    previous = os.umask(0o177)
    try:
        await web.UnixSite(runner, os.fspath(socket)).start()
    finally:
        os.umask(previous)
    if tcp is not None:
        host, port = tcp
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            raise UsageError(f"--listen {host}:{port}: {why}; choose another port") from error


def _loopback(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--listen {address}: expected HOST:PORT, as 127.0.0.1:9400")
    if host == "localhost":
        host = "127.0.0.1"
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise UsageError(
            f"--listen {address}: only loopback, as 127.0.0.1:{port}; "
            "agents do not listen in the clear on a network"
        )
    return host, int(port)


@contextlib.contextmanager
def _lock(locations: places.Locations, patience: float) -> Iterator[bool]:
    """Hold the lock of this state folder; False where another agent holds it.

    For `patience` seconds an agent that holds it and does not answer may end.
    """
    try:
        descriptor = os.open(locations.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateFolderError(f"cannot open {locations.lock}: {error.strerror}") from error
    deadline = time.monotonic() + patience
    try:
        while not (taken := _try_lock(descriptor)):
            if time.monotonic() >= deadline or start.answers(locations):
                break
            time.sleep(LOCK_LOOK_SECONDS)
        yield taken
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_worth_a_log(record: logging.LogRecord) -> bool:
    """Bytes that are no HTTP are the fault of who sent them, who is told so."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _moved_aside(path: Path) -> Event:
    return Event(
        time=time.time(),
        node="",
        source="database",
        what="database moved aside",
        text=f"the records were damaged and are now {path}; new ones were begun",
        severity="error",
    )


def _parse(arguments: list[str] | None) -> tuple[Options, bool]:
    parser = argparse.ArgumentParser("llmos.agents.daemon", description=__doc__)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--listen")
    parser.add_argument("--idle", type=float)
    parser.add_argument("--dcgm-names", action="store_true")
    parser.add_argument("--detached", action="store_true")
    given = parser.parse_args(arguments)
    idle = given.idle
    if idle is None and given.detached:
        idle = IDLE_SECONDS
    options = Options(
        state=given.state, listen=given.listen, idle=idle, dcgm_names=given.dcgm_names
    )
    return options, given.detached


if __name__ == "__main__":
    status = main()
    # A driver call that hangs holds a thread, which the interpreter would wait for at its end.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
