"""One GPU, and how its driver is asked about it: some figures every round, the rest as time allows.

Which thread asks is the matter of `rounds`.
"""

import contextlib
import threading
from collections import deque
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import pynvml  # type: ignore[import-untyped]

from . import gpu_facts, gpu_figures
from .device import CallWatch, Device
from .driver import advice
from .gpu_processes import read_processes

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE: Final = 2.0
"""Seconds after which a call that has not returned means that the GPU hangs."""

SLOW: Final = 0.25
"""Seconds that a round of half a dozen calls may take; 0.01 to 0.05 is usual."""

EXTRAS_BUDGET: Final = 0.25
"""Seconds in a round for facts and processes, or as long as its figures took; what is left over
waits for the next round."""

FACTS_INTERVAL: Final = 30.0
TURN_INTERVAL: Final = 0.9
"""For the figures that take turns: in every round at one a second, in fewer when they are more."""

PROCESSES_INTERVAL: Final = 1.9

RETRY_UNSUPPORTED: Final = 300.0

FORGOTTEN: Final = 0.9
"""Of the longest round so far, this much counts in the next."""

EVENTS: Final = pynvml.nvmlEventTypeXidCriticalError
HANDLE_OF_NO_GPU: Final = frozenset(
    {pynvml.NVML_ERROR_NOT_FOUND, pynvml.NVML_ERROR_INVALID_ARGUMENT}
)


class Gpu:
    """The newest that is known about one GPU and its MIG instances."""

    def __init__(self, index: int, event_set: Any) -> None:
        """Nothing is asked yet. `event_set` is the driver's, None where it has none."""
        self.index = index
        self.watch = CallWatch()
        self.device = Device(self.watch, gpu_figures.EACH_ROUND, gpu_figures.TURNS)
        self.instances: list[Device] = []
        self.seconds: float | None = None
        self.usual_seconds = 0.0
        """What a round takes with all that is caught up on: the longest lately."""

        self.message: str | None = None
        self._condition: str | None = None
        self._began: float | None = None
        self._event_set = event_set
        self._pending: deque[Callable[[], None]] = deque()
        self._facts_due = self._turn_due = self._processes_due = 0.0
        self._retry_due = monotonic() + RETRY_UNSUPPORTED
        self._learned = threading.Event()

    def state(self, now: float) -> str | None:
        """One of GPU_STATES; None before anything is known. `now` is monotonic."""
        if self.watch.waited(now) > DEADLINE:
            return "hung"
        began = self._began
        under_way = 0.0 if began is None else now - began
        if self._condition in (None, "ok") and max(self.seconds or 0.0, under_way) > SLOW:
            return "slow"
        return self._condition

    def refresh(self) -> None:
        """Read the facts again in the next round."""
        self._facts_due = 0.0

    @property
    def handle(self) -> Any:
        """The driver's handle; None while it gives none."""
        return self.device.handle

    def wait_for_facts(self, seconds: float) -> None:
        """Wait until the first round has told what there is, or failed; at most `seconds`."""
        self._learned.wait(max(seconds, 0.0))

    def ask(self) -> None:
        """One round, on the thread of the caller. Raises nothing."""
        self._began = began = monotonic()
        try:
            self._read_figures()
            ended = monotonic()
            self.seconds = ended - began
            self._condition, self.message, self._began = "ok", None, None
            self._catch_up(ended, ended + max(EXTRAS_BUDGET, self.seconds))
        except pynvml.NVMLError_GpuIsLost:
            self._fail("lost", "the GPU is lost: drain the node, then reset the GPU or reboot")
        except pynvml.NVMLError as error:
            self._fail("failed", advice(error))
        except Exception as error:  # a thread that ends would leave its last figures standing
            self._fail("failed", f"{type(error).__name__}: {error}")
        finally:
            self.watch.asked = self._began = None
            self.usual_seconds = max(monotonic() - began, self.usual_seconds * FORGOTTEN)
            self._learned.set()

    def _read_figures(self) -> None:
        if self.handle is None:
            self._open()
        self.device.read_figures()
        for instance in self.instances:
            instance.read_figures()

    def _open(self) -> None:
        self.watch.asked = monotonic()
        handle = pynvml.nvmlDeviceGetHandleByIndex(self.index)
        self.device.handle = handle
        self.device.retry_unsupported()
        self._facts_due = 0.0
        if self._event_set is not None:
            with contextlib.suppress(pynvml.NVMLError):
                self.device.ask(pynvml.nvmlDeviceRegisterEvents, EVENTS, self._event_set)

    def _fail(self, condition: str, message: str) -> None:
        self._condition, self.message = condition, message
        self.device.handle = None
        self._pending.clear()
        for device in (self.device, *self.instances):
            device.forget()

    def _catch_up(self, now: float, until: float) -> None:
        """What need not be read every round, as far as the time goes."""
        if not self._pending:
            self._plan(now)
        while self._pending and monotonic() < until:
            try:
                self._pending.popleft()()
            except pynvml.NVMLError_GpuIsLost:
                raise
            except pynvml.NVMLError:
                continue

    def _plan(self, now: float) -> None:
        if now >= self._retry_due:
            self._retry_due = now + RETRY_UNSUPPORTED
            for device in (self.device, *self.instances):
                device.retry_unsupported()
        if now >= self._facts_due:
            self._facts_due = now + FACTS_INTERVAL
            self._pending.extend(partial(self.device.learn, fact) for fact in gpu_facts.FACTS)
            self._pending.append(self._find_instances)
            self._pending.extend([self.device.take_turn] * len(gpu_figures.TURNS))
        if now >= self._turn_due:
            self._turn_due = now + TURN_INTERVAL
            self._pending.append(self.device.take_turn)
        if now >= self._processes_due:
            self._processes_due = now + PROCESSES_INTERVAL
            self._pending.append(self._find_processes)

    def _find_processes(self) -> None:
        """A divided GPU names the processes of its instances too: they belong to those alone."""
        if self.instances:
            self.device.processes = []
        for device in self.instances or [self.device]:
            device.processes = read_processes(device.ask)

    def _find_instances(self) -> None:
        known = {instance.facts.get("uuid"): instance for instance in self.instances}
        handles = self._instance_handles() if self.device.facts.get("mig") else []
        found = [self._instance(handle, known) for handle in handles]
        self._pending.append(partial(self._adopt, found))

    def _adopt(self, found: list[Device]) -> None:
        """Show the instances once all is known of them."""
        if found != self.instances:
            self.device.retry_unsupported()
            self._processes_due = 0.0
        self.instances = found

    def _instance_handles(self) -> list[Any]:
        handles = []
        for position in range(self.device.ask(pynvml.nvmlDeviceGetMaxMigDeviceCount)):
            try:
                handles.append(
                    self.device.ask(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, position)
                )
            except pynvml.NVMLError as error:
                if error.value not in HANDLE_OF_NO_GPU:
                    raise
        return handles

    def _instance(self, handle: Any, known: dict[Any, Device]) -> Device:
        fresh = Device(self.watch, gpu_figures.OF_AN_INSTANCE)
        fresh.handle = handle
        fresh.learn(gpu_facts.UUID)
        instance = known.pop(fresh.facts["uuid"], fresh)
        instance.handle = handle
        for fact in gpu_facts.INSTANCE_FACTS:
            self._pending.append(partial(instance.learn, fact))
        return instance
