"""NVIDIA's GPUs, by pynvml: threads for the GPUs, one for the driver and its events.

Nothing here calls the driver on the caller's thread. The threads are daemons and the driver is
never shut down, so the program ends at once, also while a call hangs.
"""

import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Final

from ..protocol.events import Event
from ..protocol.facts import Collector, Detail, GpuFacts, NodeFacts
from ..protocol.fields import GPU_STATES, Value
from .pace import Pace
from .sampler import Reading

if TYPE_CHECKING:
    from .device import Device
    from .gpu import Gpu
    from .gpu_events import GpuEvents
    from .gpu_processes import GpuProcess
    from .rounds import Rounds

RETRY: Final = 30.0
"""Seconds until a driver that could not be opened is tried again."""

OVERDUE: Final = 10.0
"""Seconds after which opening the driver counts as late: without persistence mode it first loads
the firmware of each GPU."""

FIRST_FACTS: Final = 1.0
"""Seconds that the rows wait for their names at the start, if a GPU is slow to tell."""

SHORTEST_INTERVAL: Final = 0.1
LONGEST_INTERVAL: Final = 5.0

WITHOUT_FIGURES: Final = frozenset({"lost", "hung"})

TROUBLES: Final = {
    "hung": ("late", "the GPU hangs: a call to its driver does not return"),
    "slow": ("late", "the driver answers slowly"),
}
"""By the state of a GPU, that of its collector; the rest has failed and says why."""


class NvmlSampler:
    """The sampler of NVIDIA's GPUs."""

    name = "nvml"

    def __init__(
        self,
        on_event: Callable[[Event], None],
        on_rows: Callable[[], None] = lambda: None,
        *,
        interval: float = 1.0,
        retry: float = RETRY,
    ) -> None:
        """Start at once, on threads of its own.

        `on_event` is called on one of them, and must be thread-safe and quick; the node of
        its events is empty, for the agent to fill in. So is `on_rows`, when the GPUs' rows are
        first there, or it is known that there are none. `interval` and `retry` are in seconds.
        """
        self._on_event, self._on_rows, self._retry = on_event, on_rows, retry
        self._pace = Pace(interval)
        self._gpus: list[Gpu] = []
        self._rounds: Rounds | None = None
        self._events: GpuEvents | None = None
        self._versions: tuple[str | None, str | None] = (None, None)
        self._opening: float | None = monotonic()
        self._unusable: tuple[str, str] | None = None
        threading.Thread(target=self._run, name="nvml", daemon=True).start()

    @property
    def interval(self) -> float:
        """Seconds between two rounds of each GPU, 0.1 to 5; may be set at any time."""
        return self._pace.interval

    @interval.setter
    def interval(self, seconds: float) -> None:
        self._pace.interval = min(max(seconds, SHORTEST_INTERVAL), LONGEST_INTERVAL)

    def sample(self, reading: Reading) -> None:
        """Add a row for each GPU, then for each MIG instance."""
        now = monotonic()
        if self._rounds is not None:
            self._rounds.relieve()
        if self._events is not None:
            self._events.look(self._gpus)
        for index, gpu, device, _ in self._rows():
            reading.gpus.append(_row(index, gpu.state(now), device))

    def facts(self, facts: NodeFacts) -> None:
        """Add the driver's versions and what each row is."""
        facts.driver, facts.cuda = self._versions
        for index, _, device, parent in self._rows():
            unsupported = sorted(device.unsupported)
            known = dict(device.facts)
            facts.gpus.append(
                GpuFacts(index=index, parent=parent, unsupported=unsupported, **known)
            )

    def detail(self, detail: Detail) -> None:
        """Nothing: `processes` has its own sampler, which asks this one."""

    def processes(self) -> list[tuple[int, "GpuProcess"]]:
        """The processes that the driver names, each with the row of its GPU."""
        return [
            (index, found) for index, _, device, _ in self._rows() for found in device.processes
        ]

    def collectors(self) -> list[Collector]:
        """One for the driver, one for its events, one for each GPU."""
        now = monotonic()
        events = [self._events.collector] if self._events else []
        return [self._of_driver(now), *events, *(_of_gpu(gpu, now) for gpu in self._gpus)]

    def close(self) -> None:
        """Let the threads end; returns at once, also while a driver call hangs."""
        self._pace.stop()

    def _run(self) -> None:
        gpus = self._open()
        while gpus is None:
            self._on_rows()
            if self._pace.pause(self._retry):
                return
            gpus = self._open()
        self._start(gpus)

    def _open(self) -> int | None:
        """The number of GPUs; None if the driver cannot be used now."""
        self._opening = monotonic()
        try:
            from . import driver  # imports pynvml, for which the agent's start shall not wait

            gpus = driver.open_driver()
            self._versions = driver.versions()
        except Exception as error:  # DriverUnusable has a state; pynvml itself may be missing
            self._unusable = getattr(error, "state", "failed"), str(error)
            return None
        finally:
            self._opening = None
        self._unusable = None if gpus else ("absent", "the driver finds no GPU")
        return gpus

    def _start(self, gpus: int) -> None:
        from .gpu import Gpu
        from .gpu_events import GpuEvents
        from .rounds import Rounds

        events = GpuEvents(self._on_event)
        now = monotonic()
        started = [Gpu(index, events.event_set) for index in range(gpus)]
        self._rounds = Rounds(started, self._pace)
        for gpu in started:
            gpu.wait_for_facts(now + FIRST_FACTS - monotonic())
        self._gpus, self._events = started, events
        self._on_rows()
        events.watch(started, self._pace)

    def _rows(self) -> "Iterator[tuple[int, Gpu, Device, int | None]]":
        """Index, GPU, device and parent of each row."""
        gpus = self._gpus
        for gpu in gpus:
            yield gpu.index, gpu, gpu.device, None
        index = len(gpus)
        for gpu in gpus:
            for instance in gpu.instances:
                yield index, gpu, instance, gpu.index
                index += 1

    def _of_driver(self, now: float) -> Collector:
        opening = self._opening
        if self._unusable:
            state, message = self._unusable
            return Collector(name="nvml", state=state, message=message)
        if opening is not None and now - opening > OVERDUE:
            return Collector(
                name="nvml", state="late", message="the driver hangs as it is opened: reboot"
            )
        return Collector(name="nvml")


def _row(index: int, state: str | None, device: "Device") -> dict[str, Value]:
    position = None if state is None else GPU_STATES.index(state)
    row: dict[str, Value] = {} if state in WITHOUT_FIGURES else dict(device.figures)
    row["index"], row["state"] = index, position
    return row


def _of_gpu(gpu: "Gpu", now: float) -> Collector:
    collector = Collector(name=f"gpu {gpu.index}", seconds=gpu.seconds)
    state = gpu.state(now)
    if state in TROUBLES:
        collector.state, collector.message = TROUBLES[state]
    elif state not in (None, "ok"):
        collector.state, collector.message = "failed", gpu.message
    return collector
