"""What changes rarely about a GPU: one table of what to ask for each field of GpuFacts."""

import re
from typing import Any, Final

import pynvml  # type: ignore[import-untyped]

from ..protocol.facts import Link, RemappedRows
from .gpu_figures import Ask, Getter, memory

BYTES_IN_MIB: Final = 1 << 20


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _memory_total(ask: Ask) -> tuple[int]:
    return (memory(ask).total // BYTES_IN_MIB,)


def _power_limits(ask: Ask) -> tuple[float, float]:
    lowest, highest = ask(pynvml.nvmlDeviceGetPowerManagementLimitConstraints)
    return lowest / 1000, highest / 1000


def _compute_capability(ask: Ask) -> tuple[str]:
    major, minor = ask(pynvml.nvmlDeviceGetCudaComputeCapability)
    return (f"{major}.{minor}",)


def _ecc_errors(kind: int) -> Any:
    return lambda ask: (ask(pynvml.nvmlDeviceGetTotalEccErrors, kind, pynvml.NVML_VOLATILE_ECC),)


def _remapped_rows(ask: Ask) -> tuple[RemappedRows]:
    corrected, uncorrected, pending, failed = ask(pynvml.nvmlDeviceGetRemappedRows)
    return (
        RemappedRows(
            corrected=corrected,
            uncorrected=uncorrected,
            pending=bool(pending),
            failed=bool(failed),
        ),
    )


def _links(ask: Ask) -> tuple[list[Link]]:
    links: list[Link] = []
    for index in range(pynvml.NVML_NVLINK_MAX_LINKS):
        try:
            active = bool(ask(pynvml.nvmlDeviceGetNvLinkState, index))
        except (pynvml.NVMLError_InvalidArgument, pynvml.NVMLError_NotSupported):
            break
        link = Link(index=index, active=active)
        if active:
            link.version = _or_none(ask, pynvml.nvmlDeviceGetNvLinkVersion, index)
            remote = _or_none(ask, pynvml.nvmlDeviceGetNvLinkRemotePciInfo, index)
            link.remote = _text(remote.busId) if remote else None
        links.append(link)
    return (links,)


def _or_none(ask: Ask, function: Any, *arguments: Any) -> Any:
    try:
        return ask(function, *arguments)
    except pynvml.NVMLError_NotSupported:
        return None


def _one(function: Any, *arguments: Any) -> Any:
    return lambda ask: (ask(function, *arguments),)


def _text_of(function: Any) -> Any:
    return lambda ask: (_text(ask(function)),)


def _watts(function: Any) -> Any:
    return lambda ask: (ask(function) / 1000,)


def _flag(function: Any) -> Any:
    return lambda ask: (bool(ask(function)),)


def _mode(function: Any) -> Any:
    """Of a mode now in force and one after the next reset, the one in force."""
    return lambda ask: (bool(ask(function)[0]),)


UUID: Final = Getter(("uuid",), _text_of(pynvml.nvmlDeviceGetUUID))

IDENTITY: Final = (
    Getter(("name",), _text_of(pynvml.nvmlDeviceGetName)),
    UUID,
    Getter(("memory_total",), _memory_total),
)

FACTS: Final = (
    *IDENTITY,
    Getter(("mig",), _mode(pynvml.nvmlDeviceGetMigMode)),
    Getter(("pci_bus_id",), lambda ask: (_text(ask(pynvml.nvmlDeviceGetPciInfo).busId),)),
    Getter(("power_limit",), _watts(pynvml.nvmlDeviceGetEnforcedPowerLimit)),
    Getter(("power_limit_default",), _watts(pynvml.nvmlDeviceGetPowerManagementDefaultLimit)),
    Getter(("power_limit_min", "power_limit_max"), _power_limits),
    Getter(
        ("temperature_slowdown",),
        _one(
            pynvml.nvmlDeviceGetTemperatureThreshold,
            pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN,
        ),
    ),
    Getter(
        ("temperature_shutdown",),
        _one(
            pynvml.nvmlDeviceGetTemperatureThreshold,
            pynvml.NVML_TEMPERATURE_THRESHOLD_SHUTDOWN,
        ),
    ),
    Getter(("sm_clock_max",), _one(pynvml.nvmlDeviceGetMaxClockInfo, pynvml.NVML_CLOCK_SM)),
    Getter(("memory_clock_max",), _one(pynvml.nvmlDeviceGetMaxClockInfo, pynvml.NVML_CLOCK_MEM)),
    Getter(("pcie_generation",), _one(pynvml.nvmlDeviceGetCurrPcieLinkGeneration)),
    Getter(("pcie_generation_max",), _one(pynvml.nvmlDeviceGetMaxPcieLinkGeneration)),
    Getter(("pcie_width",), _one(pynvml.nvmlDeviceGetCurrPcieLinkWidth)),
    Getter(("pcie_width_max",), _one(pynvml.nvmlDeviceGetMaxPcieLinkWidth)),
    Getter(("pcie_replays",), _one(pynvml.nvmlDeviceGetPcieReplayCounter)),
    Getter(("ecc",), _mode(pynvml.nvmlDeviceGetEccMode)),
    Getter(("ecc_corrected",), _ecc_errors(pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED)),
    Getter(("ecc_uncorrected",), _ecc_errors(pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED)),
    Getter(("remapped_rows",), _remapped_rows),
    Getter(("links",), _links),
    Getter(("vbios",), _text_of(pynvml.nvmlDeviceGetVbiosVersion)),
    Getter(("compute_capability",), _compute_capability),
    Getter(("persistence",), _flag(pynvml.nvmlDeviceGetPersistenceMode)),
)


def _profile(ask: Ask) -> tuple[str]:
    """The profile from the instance's name, or as NVIDIA builds it from its slices and memory."""
    named = re.search(r"MIG (\S+)", _text(ask(pynvml.nvmlDeviceGetName)))
    if named:
        return (named[1],)
    shares = ask(pynvml.nvmlDeviceGetAttributes)
    slices = f"{shares.gpuInstanceSliceCount}g"
    if shares.computeInstanceSliceCount < shares.gpuInstanceSliceCount:
        slices = f"{shares.computeInstanceSliceCount}c.{slices}"
    return (f"{slices}.{-(-shares.memorySizeMB // 1024)}gb",)


INSTANCE_FACTS: Final = (*IDENTITY, Getter(("profile",), _profile))
