"""What happens to GPUs: XIDs, and GPUs that are lost, hang or come back."""

import ctypes
from collections.abc import Callable, Sequence
from time import monotonic, time
from typing import Any, Final

import pynvml  # type: ignore[import-untyped]

from ..protocol.events import Event, Severity
from ..protocol.facts import Collector
from .gpu import Gpu
from .pace import Pace

LONGEST_WAIT: Final = 5.0
"""Seconds in the driver. An XID ends the wait at once."""

PAUSE: Final = 1.0
"""Seconds after an error: some, as that a GPU is lost, are answered at once and every time."""

SHORTEST_PAUSE: Final = 0.05
"""Seconds: some drivers come back at once whatever they were told."""

TELLING: Final[dict[str, tuple[str, str, Severity]]] = {
    "lost": ("gpu lost", "GPU {} is lost: drain the node, then reset the GPU or reboot", "error"),
    "hung": ("gpu hung", "GPU {} hangs: a call to its driver does not return", "error"),
}
"""The states that are told as they begin, and their end as "gpu back"."""

NO_EVENTS: Final = "this driver reports no XIDs; the kernel log has them"


class GpuEvents:
    """Waits for XIDs on a thread, looks at states when told to, and tells of both."""

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self.collector = Collector(name="events")
        self.event_set = self._create()
        self._on_event = on_event
        self._told: dict[int, str] = {}

    def watch(self, gpus: Sequence[Gpu], pace: Pace) -> None:
        """Wait for XIDs and tell them, until the pace is stopped or the driver has no events."""
        while not pace.stopped and self.event_set is not None:
            event = self._wait(pace)
            if event is not None:
                self._tell_xid(gpus, event)

    def look(self, gpus: Sequence[Gpu]) -> None:
        """Tell which GPUs are lost, hang or answer again since the last look."""
        for gpu in gpus:
            self._tell_state(gpu)

    def _create(self) -> Any:
        try:
            return pynvml.nvmlEventSetCreate()
        except pynvml.NVMLError:
            self.collector.state, self.collector.message = "absent", NO_EVENTS
            return None

    def _wait(self, pace: Pace) -> Any:
        """The next event, or None after a while."""
        try:
            return pynvml.nvmlEventSetWait(self.event_set, round(LONGEST_WAIT * 1000))
        except pynvml.NVMLError as error:
            self._judge(error)
            pace.pause(PAUSE if error.value != pynvml.NVML_ERROR_TIMEOUT else SHORTEST_PAUSE)
            return None

    def _judge(self, error: pynvml.NVMLError) -> None:
        if error.value == pynvml.NVML_ERROR_NOT_SUPPORTED:
            self.collector.state, self.collector.message = "absent", NO_EVENTS
            self.event_set = None
        elif error.value in (pynvml.NVML_ERROR_TIMEOUT, pynvml.NVML_ERROR_GPU_IS_LOST):
            self.collector.state, self.collector.message = "ok", None
        else:
            self.collector.state = "failed"
            self.collector.message = f"waiting for events: the driver answers: {error}"

    def _tell_xid(self, gpus: Sequence[Gpu], event: Any) -> None:
        if not event.eventType & pynvml.nvmlEventTypeXidCriticalError:
            return
        gpu = next((gpu for gpu in gpus if _same(gpu.handle, event.device)), None)
        number = int(event.eventData)
        if gpu is None:
            self._tell(
                "gpu ?", "xid", f"XID {number} on a GPU that is not known", "warning", number
            )
            return
        self._tell(f"gpu {gpu.index}", "xid", f"XID {number} on GPU {gpu.index}", "warning", number)
        gpu.refresh()

    def _tell_state(self, gpu: Gpu) -> None:
        state, told = gpu.state(monotonic()), self._told.get(gpu.index)
        if state == told or state is None:
            return
        if state in TELLING:
            self._told[gpu.index] = state
            what, text, severity = TELLING[state]
            self._tell(f"gpu {gpu.index}", what, text.format(gpu.index), severity)
        elif told and state in ("ok", "slow"):
            del self._told[gpu.index]
            text = f"GPU {gpu.index} answers again"
            self._tell(f"gpu {gpu.index}", "gpu back", text, "info")

    def _tell(
        self, source: str, what: str, text: str, severity: Severity, number: int | None = None
    ) -> None:
        event = Event(
            time=time(),
            node="",
            source=source,
            what=what,
            text=text,
            severity=severity,
            number=number,
        )
        try:
            self._on_event(event)
        except Exception as error:  # as when the agent ends; the figures matter more
            self.collector.state = "failed"
            self.collector.message = f"telling {what}: {type(error).__name__}: {error}"


def _same(handle: Any, other: Any) -> bool:
    """Two pointers of ctypes are never equal, though they point to the same."""
    if not handle or not other:
        return False
    return ctypes.addressof(handle.contents) == ctypes.addressof(other.contents)
