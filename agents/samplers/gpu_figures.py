"""The figures of a GPU: one table of what to ask the driver for each.

The values are in the units of `agents.protocol.fields.GPU_FIELDS`. A getter raises NVMLError when
the driver does not give the figure; whether that is for good is the caller's to judge.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import pynvml  # type: ignore[import-untyped]

Ask = Callable[..., Any]
"""Calls a function of pynvml for one GPU: `ask(function, *arguments after the handle)`."""


class Getter(NamedTuple):
    """What to ask for some fields: `read` gives their values in this order."""

    fields: tuple[str, ...]
    read: Callable[[Ask], Sequence[Any]]


def _utilization(ask: Ask) -> tuple[int, int]:
    rates = ask(pynvml.nvmlDeviceGetUtilizationRates)
    return rates.gpu, rates.memory


def memory(ask: Ask) -> Any:
    """The memory in bytes; `used` leaves out what the driver keeps for itself, if it can tell."""
    try:
        return ask(pynvml.nvmlDeviceGetMemoryInfo, pynvml.nvmlMemory_v2)
    except pynvml.NVMLError_FunctionNotFound:
        return ask(pynvml.nvmlDeviceGetMemoryInfo)


def _throttle(ask: Ask) -> tuple[int]:
    try:
        reasons = ask(pynvml.nvmlDeviceGetCurrentClocksEventReasons)
    except pynvml.NVMLError_FunctionNotFound:
        reasons = ask(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons)
    return (reasons >> 1 & 0xFF,)


def _performance_state(ask: Ask) -> tuple[int | None]:
    state = ask(pynvml.nvmlDeviceGetPerformanceState)
    return (None if state == pynvml.NVML_PSTATE_UNKNOWN else state,)


def _clock(kind: int) -> Callable[[Ask], tuple[int]]:
    return lambda ask: (ask(pynvml.nvmlDeviceGetClockInfo, kind),)


def _pcie(direction: int) -> Callable[[Ask], tuple[float]]:
    return lambda ask: (ask(pynvml.nvmlDeviceGetPcieThroughput, direction) / 1000,)


UTILIZATION: Final = Getter(("utilization", "memory_utilization"), _utilization)
MEMORY: Final = Getter(("memory_used",), lambda ask: (memory(ask).used >> 20,))

EACH_ROUND: Final = (
    UTILIZATION,
    MEMORY,
    Getter(
        ("temperature",),
        lambda ask: (ask(pynvml.nvmlDeviceGetTemperature, pynvml.NVML_TEMPERATURE_GPU),),
    ),
    Getter(("power",), lambda ask: (ask(pynvml.nvmlDeviceGetPowerUsage) / 1000,)),
    Getter(("sm_clock",), _clock(pynvml.NVML_CLOCK_SM)),
    Getter(("throttle",), _throttle),
)

TURNS: Final = (
    (
        Getter(("memory_clock",), _clock(pynvml.NVML_CLOCK_MEM)),
        Getter(("performance_state",), _performance_state),
    ),
    (Getter(("pcie_send",), _pcie(pynvml.NVML_PCIE_UTIL_TX_BYTES)),),
    (
        Getter(("fan",), lambda ask: (ask(pynvml.nvmlDeviceGetFanSpeed),)),
        Getter(("encoder",), lambda ask: ask(pynvml.nvmlDeviceGetEncoderUtilization)[:1]),
        Getter(("decoder",), lambda ask: ask(pynvml.nvmlDeviceGetDecoderUtilization)[:1]),
    ),
    (Getter(("pcie_receive",), _pcie(pynvml.NVML_PCIE_UTIL_RX_BYTES)),),
)
"""What changes slowly or decides little takes turns, one a second. So does PCIe traffic, for which
the driver counts some 20 ms within the call."""

OF_AN_INSTANCE: Final = (MEMORY, UTILIZATION)
"""A MIG instance has no sensors and clocks of its own."""
