"""One handle of the driver, of a GPU or of a MIG instance, and what it last answered."""

from collections import deque
from collections.abc import Iterable
from itertools import chain
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import pynvml  # type: ignore[import-untyped]

from .gpu_figures import Getter

if TYPE_CHECKING:
    from ..protocol.fields import Value
    from .gpu_processes import GpuProcess

UNSUPPORTED: Final = frozenset(
    {
        pynvml.NVML_ERROR_NOT_SUPPORTED,
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
        pynvml.NVML_ERROR_DEPRECATED,
    }
)
"""Answers that stay the same until the driver or the GPU's mode changes."""


class CallWatch:
    """When the call under way began: how others see that a thread waits for the driver."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        self.asked: float | None = None

    def waited(self, now: float) -> float:
        """Seconds that the call under way has taken; 0 without one. `now` is monotonic."""
        asked = self.asked
        return 0.0 if asked is None else now - asked


class Device:
    """What one handle last answered. Written by its GPU's thread alone, read by any.

    Figures are replaced one by one as they are answered, so a slow GPU still shows the newest.
    """

    def __init__(
        self,
        watch: CallWatch,
        each_round: tuple[Getter, ...],
        turns: Iterable[tuple[Getter, ...]] = (),
    ) -> None:
        self.handle: Any = None
        self.facts: dict[str, Any] = {}
        self.processes: list[GpuProcess] = []
        self.unsupported: set[str] = set()
        self._watch = watch
        self._each_round, self._active, self._turns = each_round, each_round, deque(turns)
        getters = chain(each_round, *self._turns)
        self.figures: dict[str, Value] = {name: None for g in getters for name in g.fields}

    def ask(self, function: Any, *arguments: Any) -> Any:
        """Call a function of pynvml for this handle; raises NVMLError."""
        self._watch.asked = monotonic()
        return function(self.handle, *arguments)

    def read_figures(self) -> None:
        """Ask for all that changes every second. Raises NVMLError when nothing is answered."""
        failure: pynvml.NVMLError | None = None
        answered = not self._active
        for getter in self._active:
            refusal = self._read(getter)
            answered |= refusal is None or refusal.value in UNSUPPORTED
            failure = refusal or failure
        if failure and not answered:
            raise failure

    def take_turn(self) -> None:
        """Ask for the next of those figures that take turns."""
        if self._turns:
            self._turns.rotate(-1)
            for getter in self._turns[-1]:
                if getter.fields[0] not in self.unsupported:
                    self._read(getter)

    def learn(self, getter: Getter) -> None:
        """Ask for some facts."""
        try:
            values = getter.read(self.ask)
        except pynvml.NVMLError_GpuIsLost:
            raise
        except (pynvml.NVMLError, UnicodeDecodeError):
            values = [None] * len(getter.fields)
        self.facts.update(zip(getter.fields, values, strict=True))

    def retry_unsupported(self) -> None:
        """Ask again for what was not supported, from the next round on."""
        if self.unsupported:
            self._active = self._each_round
            self.unsupported = set()

    def forget(self) -> None:
        """Nothing of what was answered holds any longer."""
        self.figures.update(dict.fromkeys(self.figures))
        self.processes = []

    def _read(self, getter: Getter) -> pynvml.NVMLError | None:
        try:
            values = getter.read(self.ask)
        except pynvml.NVMLError_GpuIsLost:
            raise
        except pynvml.NVMLError as refusal:
            self.figures.update(dict.fromkeys(getter.fields))
            if refusal.value in UNSUPPORTED:
                self._drop(getter)
            return refusal
        for name, value in zip(getter.fields, values, strict=True):
            self.figures[name] = value
        return None

    def _drop(self, getter: Getter) -> None:
        self.unsupported = self.unsupported | set(getter.fields)
        self._active = tuple(active for active in self._active if active is not getter)
