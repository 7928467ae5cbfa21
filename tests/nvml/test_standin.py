"""The real pynvml against the stand-in: every figure, every fault.

pynvml finds its library when a process starts, so each test asks a child process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from llmos.tests.nvml.standin import SOURCES, VERSION, Standin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 30.0

SERVER = """
import json, sys, threading
from pynvml import *

def plain(value):
    if hasattr(value, "_fields_"):
        return {name: getattr(value, name) for name, *_ in value._fields_}
    return getattr(value, "value", None) if hasattr(value, "value") else vars(value)

def gpu(index):
    return nvmlDeviceGetHandleByIndex(index)

def instance(index, mig):
    return nvmlDeviceGetMigDeviceHandleByIndex(gpu(index), mig)

kept = {}

def keep(name, value):
    kept[name] = value

def answer(number, expression):
    try:
        value = eval(expression)
    except NVMLError as error:
        value = type(error).__name__
    line = json.dumps([number, value], default=plain)
    with lock:
        print(line, flush=True)

lock = threading.Lock()
for line in sys.stdin:
    threading.Thread(target=answer, args=json.loads(line), daemon=True).start()
"""


class Child:
    """A process that evaluates expressions over pynvml, each in a thread of its own."""

    def __init__(self, standin: Standin) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | standin.environment(),
        )
        self._answers: dict[int, Future[Any]] = {}
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def send(self, expression: str) -> Future[Any]:
        number = len(self._answers)
        self._answers[number] = Future()
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode([number, expression]) + b"\n")
        self._process.stdin.flush()
        return self._answers[number]

    def ask(self, expression: str) -> Any:
        return self.send(expression).result(PATIENCE)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            number, value = msgspec.json.decode(line)
            self._answers[number].set_result(value)


@pytest.fixture
def standin(tmp_path: Path) -> Standin:
    return Standin.create(tmp_path, gpus=3)


@pytest.fixture
def child(standin: Standin) -> Iterator[Child]:
    """A child that has pynvml initialised."""
    child = Child(standin)
    child.ask("nvmlInit()")
    yield child
    child.close()


@pytest.fixture
def fresh(standin: Standin) -> Iterator[Child]:
    """A child that has not initialised pynvml."""
    child = Child(standin)
    yield child
    child.close()


NUMBERS = {
    "nvmlDeviceGetMinorNumber(g)": "minor",
    "nvmlDeviceGetBrand(g)": "brand",
    "nvmlDeviceGetArchitecture(g)": "architecture",
    "nvmlDeviceGetNumGpuCores(g)": "cores",
    "nvmlDeviceGetMemoryBusWidth(g)": "memory_bus_width",
    "nvmlDeviceGetNumaNodeId(g)": "numa",
    "nvmlDeviceGetDisplayMode(g)": "display.mode",
    "nvmlDeviceGetDisplayActive(g)": "display.active",
    "nvmlDeviceGetPersistenceMode(g)": "persistence",
    "nvmlDeviceGetComputeMode(g)": "compute_mode",
    "nvmlDeviceGetCudaComputeCapability(g)[0]": "capability.major",
    "nvmlDeviceGetCudaComputeCapability(g)[1]": "capability.minor",
    "nvmlDeviceGetPerformanceState(g)": "performance_state",
    "nvmlDeviceGetUtilizationRates(g).gpu": "utilization",
    "nvmlDeviceGetUtilizationRates(g).memory": "utilization.memory",
    "nvmlDeviceGetEncoderUtilization(g)[0]": "encoder",
    "nvmlDeviceGetDecoderUtilization(g)[0]": "decoder",
    "nvmlDeviceGetJpgUtilization(g)[0]": "jpeg",
    "nvmlDeviceGetOfaUtilization(g)[0]": "ofa",
    "nvmlDeviceGetMemoryInfo(g, nvmlMemory_v2).total": "memory.total",
    "nvmlDeviceGetMemoryInfo(g, nvmlMemory_v2).used": "memory.used",
    "nvmlDeviceGetMemoryInfo(g, nvmlMemory_v2).reserved": "memory.reserved",
    "nvmlDeviceGetMemoryInfo(g).total": "memory.total",
    "nvmlDeviceGetBAR1MemoryInfo(g).bar1Total": "bar1.total",
    "nvmlDeviceGetBAR1MemoryInfo(g).bar1Used": "bar1.used",
    "nvmlDeviceGetTemperature(g, NVML_TEMPERATURE_GPU)": "temperature",
    "nvmlDeviceGetTemperatureV(g, NVML_TEMPERATURE_GPU)": "temperature",
    "nvmlDeviceGetTemperatureThreshold(g, 0)": "threshold.shutdown",
    "nvmlDeviceGetTemperatureThreshold(g, 1)": "threshold.slowdown",
    "nvmlDeviceGetTemperatureThreshold(g, 2)": "threshold.memory",
    "nvmlDeviceGetTemperatureThreshold(g, 3)": "threshold.gpu",
    "nvmlDeviceGetPowerUsage(g)": "power",
    "nvmlDeviceGetPowerManagementLimit(g)": "power_limit",
    "nvmlDeviceGetPowerManagementDefaultLimit(g)": "power_limit.default",
    "nvmlDeviceGetEnforcedPowerLimit(g)": "power_limit.enforced",
    "nvmlDeviceGetPowerManagementLimitConstraints(g)[0]": "power_limit.min",
    "nvmlDeviceGetPowerManagementLimitConstraints(g)[1]": "power_limit.max",
    "nvmlDeviceGetTotalEnergyConsumption(g)": "energy",
    "nvmlDeviceGetClockInfo(g, NVML_CLOCK_GRAPHICS)": "clock.graphics",
    "nvmlDeviceGetClockInfo(g, NVML_CLOCK_SM)": "clock.sm",
    "nvmlDeviceGetClockInfo(g, NVML_CLOCK_MEM)": "clock.memory",
    "nvmlDeviceGetClockInfo(g, NVML_CLOCK_VIDEO)": "clock.video",
    "nvmlDeviceGetMaxClockInfo(g, NVML_CLOCK_GRAPHICS)": "clock_max.graphics",
    "nvmlDeviceGetMaxClockInfo(g, NVML_CLOCK_SM)": "clock_max.sm",
    "nvmlDeviceGetMaxClockInfo(g, NVML_CLOCK_MEM)": "clock_max.memory",
    "nvmlDeviceGetMaxClockInfo(g, NVML_CLOCK_VIDEO)": "clock_max.video",
    "nvmlDeviceGetFanSpeed(g)": "fan",
    "nvmlDeviceGetFanSpeed_v2(g, 0)": "fan",
    "nvmlDeviceGetNumFans(g)": "fan.count",
    "nvmlDeviceGetCurrentClocksThrottleReasons(g)": "throttle",
    "nvmlDeviceGetCurrentClocksEventReasons(g)": "throttle",
    "nvmlDeviceGetSupportedClocksThrottleReasons(g)": "throttle.supported",
    "nvmlDeviceGetSupportedClocksEventReasons(g)": "throttle.supported",
    "nvmlDeviceGetPcieThroughput(g, NVML_PCIE_UTIL_TX_BYTES)": "pcie.tx",
    "nvmlDeviceGetPcieThroughput(g, NVML_PCIE_UTIL_RX_BYTES)": "pcie.rx",
    "nvmlDeviceGetCurrPcieLinkGeneration(g)": "pcie.generation",
    "nvmlDeviceGetMaxPcieLinkGeneration(g)": "pcie.generation_max",
    "nvmlDeviceGetCurrPcieLinkWidth(g)": "pcie.width",
    "nvmlDeviceGetMaxPcieLinkWidth(g)": "pcie.width_max",
    "nvmlDeviceGetPcieReplayCounter(g)": "pcie.replays",
    "nvmlDeviceGetEccMode(g)[0]": "ecc.mode",
    "nvmlDeviceGetEccMode(g)[1]": "ecc.mode_pending",
    "nvmlDeviceGetTotalEccErrors(g, 0, 0)": "ecc.corrected.volatile",
    "nvmlDeviceGetTotalEccErrors(g, 1, 1)": "ecc.uncorrected.aggregate",
    "nvmlDeviceGetMemoryErrorCounter(g, 1, 0, 2)": "ecc.uncorrected.volatile.dram",
    "nvmlDeviceGetMemoryErrorCounter(g, 0, 1, 7)": "ecc.corrected.aggregate.sram",
    "len(nvmlDeviceGetRetiredPages(g, 0))": "retired.single",
    "len(nvmlDeviceGetRetiredPages_v2(g, 1))": "retired.double",
    "nvmlDeviceGetRetiredPagesPendingStatus(g)": "retired.pending",
    "nvmlDeviceGetRemappedRows(g)[0]": "remap.correctable",
    "nvmlDeviceGetRemappedRows(g)[1]": "remap.uncorrectable",
    "nvmlDeviceGetRemappedRows(g)[2]": "remap.pending",
    "nvmlDeviceGetRemappedRows(g)[3]": "remap.failed",
    "nvmlDeviceGetNvLinkState(g, 2)": "nvlink.2.state",
    "nvmlDeviceGetNvLinkState(g, 3)": "nvlink.state",
    "nvmlDeviceGetNvLinkVersion(g, 0)": "nvlink.version",
    "nvmlDeviceGetNvLinkRemoteDeviceType(g, 0)": "nvlink.remote_type",
    "nvmlDeviceGetNvLinkErrorCounter(g, 1, NVML_NVLINK_ERROR_DL_REPLAY)": "nvlink.replay",
    "nvmlDeviceGetNvLinkErrorCounter(g, 1, NVML_NVLINK_ERROR_DL_CRC_DATA)": "nvlink.crc_data",
    "field(NVML_FI_DEV_NVLINK_LINK_COUNT)": "nvlink.links",
    "field((NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, 0xFFFFFFFF))": "nvlink.tx",
    "field((NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, 0xFFFFFFFF))": "nvlink.rx",
    "field(NVML_FI_DEV_MEMORY_TEMP)": "temperature.memory",
    "field(NVML_FI_DEV_POWER_INSTANT)": "power",
    "nvmlDeviceGetMaxMigDeviceCount(g)": "mig.max",
    "nvmlDeviceGetSupportedEventTypes(g)": "event_types",
}
FIELD = "lambda id: nvmlDeviceGetFieldValues(gpu(1), [id])[0].value.ullVal"


def distinct_values() -> dict[str, int]:
    """A different number for each key, so that no two can be taken for each other."""
    values = {key: 11 + number for number, key in enumerate(dict.fromkeys(NUMBERS.values()))}
    return values | {"memory.total": 80 << 30, "memory.used": 5 << 30, "energy": 1 << 40}


def test_each_number_is_the_one_of_its_key(standin: Standin, child: Child) -> None:
    values = distinct_values()
    standin.update({1: values})
    rows = ", ".join(f"{expression!r}: {expression}" for expression in NUMBERS)
    found = child.ask(f"(lambda g, field: {{{rows}}})(gpu(1), {FIELD})")
    assert found == {expression: values[key] for expression, key in NUMBERS.items()}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("nvmlSystemGetDriverVersion()", VERSION),
        ("nvmlSystemGetNVMLVersion()", f"13.{VERSION}"),
        ("nvmlSystemGetCudaDriverVersion()", 13000),
        ("nvmlDeviceGetCount()", 3),
        ("nvmlDeviceGetName(gpu(1))", "NVIDIA H100 80GB HBM3"),
        ("nvmlDeviceGetIndex(gpu(1))", 1),
        ("nvmlDeviceGetIndex(nvmlDeviceGetHandleByUUID(nvmlDeviceGetUUID(gpu(2))))", 2),
        ("nvmlDeviceGetIndex(nvmlDeviceGetHandleBySerial(nvmlDeviceGetSerial(gpu(1))))", 1),
        ("nvmlDeviceGetIndex(nvmlDeviceGetHandleByPciBusId('0000:4C:00.0'))", 2),
        ("nvmlDeviceGetHandleByUUID('GPU-none')", "NVMLError_NotFound"),
        ("nvmlDeviceGetHandleByIndex(3)", "NVMLError_InvalidArgument"),
        ("nvmlDeviceGetPciInfo(gpu(1)).busId", "00000000:3B:00.0"),
        ("nvmlDeviceGetPciInfo(gpu(1)).busIdLegacy", "0000:3B:00.0"),
        ("nvmlDeviceGetPciInfo(gpu(1)).pciDeviceId", 0x233010DE),
        ("nvmlDeviceGetNvLinkRemotePciInfo(gpu(1), 4).bus", 5),
        ("nvmlDeviceGetNvLinkState(gpu(1), 18)", "NVMLError_InvalidArgument"),
        ("nvmlDeviceGetVbiosVersion(gpu(1))", "96.00.89.00.01"),
        ("nvmlDeviceGetRowRemapperHistogram(gpu(1)).max", 640),
        ("nvmlDeviceGetRetiredPages(gpu(1), 0)", "NVMLError_NotSupported"),
        ("nvmlDeviceGetTopologyCommonAncestor(gpu(0), gpu(1))", 40),
        ("nvmlDeviceGetP2PStatus(gpu(0), gpu(1), 0)", 0),
        ("list(nvmlDeviceGetCpuAffinity(gpu(0), 2))", [(1 << 56) - 1, 0]),
        ("nvmlDeviceGetFieldValues(gpu(0), [9999])[0].nvmlReturn", 3),
        ("nvmlErrorString(15)", "GPU is lost"),
        ("nvmlDeviceGetComputeRunningProcesses(gpu(0))", []),
        ("nvmlDeviceGetProcessUtilization(gpu(0), 0)", "NVMLError_NotFound"),
        ("nvmlDeviceGetMigMode(gpu(0))", [0, 0]),
        ("nvmlDeviceGetMigDeviceHandleByIndex(gpu(0), 0)", "NVMLError_NotFound"),
        ("nvmlDeviceGetAttributes(gpu(0))", "NVMLError_NotSupported"),
    ],
)
def test_what_a_host_answers(shared: Child, expression: str, expected: object) -> None:
    assert shared.ask(expression) == expected


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """One child over one untouched host, for what only reads."""
    child = Child(Standin.create(tmp_path_factory.mktemp("host"), gpus=3))
    child.ask("nvmlInit()")
    yield child
    child.close()


def test_both_versions_of_memory_add_up(standin: Standin, child: Child) -> None:
    standin.update({0: {"memory.total": 1000, "memory.reserved": 50, "memory.used": 600}})
    assert child.ask("nvmlDeviceGetMemoryInfo(gpu(0))") == {"total": 1000, "free": 350, "used": 650}
    second = child.ask("nvmlDeviceGetMemoryInfo(gpu(0), nvmlMemory_v2)")
    assert (second["reserved"], second["free"], second["used"]) == (50, 350, 600)
    wrong = child.ask("nvmlDeviceGetMemoryInfo(gpu(0), nvmlMemory_v2 + 1)")
    assert wrong == "NVMLError_ArgumentVersionMismatch"


def test_a_change_is_seen_at_once(standin: Standin, child: Child) -> None:
    for utilization in range(20):
        standin.set(2, "utilization", utilization)
        assert child.ask("nvmlDeviceGetUtilizationRates(gpu(2)).gpu") == utilization


def test_nothing_answers_before_init(fresh: Child) -> None:
    assert fresh.ask("nvmlDeviceGetCount()") == "NVMLError_Uninitialized"
    fresh.ask("nvmlInit()")
    assert fresh.ask("nvmlDeviceGetCount()") == 3
    fresh.ask("nvmlShutdown()")
    assert fresh.ask("nvmlDeviceGetCount()") == "NVMLError_Uninitialized"


POWER = "nvmlDeviceGetPowerUsage(kept['gpu{}'])"


def keep_handles(child: Child) -> None:
    for gpu in range(3):
        child.ask(f"keep('gpu{gpu}', gpu({gpu}))")


def test_a_lost_gpu_fails_each_call_and_spares_the_others(standin: Standin, child: Child) -> None:
    keep_handles(child)
    assert isinstance(child.ask(POWER.format(1)), int)
    standin.lose(1)
    assert child.ask(POWER.format(1)) == "NVMLError_GpuIsLost"
    assert child.ask("nvmlDeviceGetUUID(kept['gpu1'])") == "NVMLError_GpuIsLost"
    assert child.ask("gpu(1)") == "NVMLError_GpuIsLost"
    assert child.ask("nvmlDeviceGetCount()") == 3
    assert isinstance(child.ask(POWER.format(2)), int)
    standin.heal(1)
    assert isinstance(child.ask(POWER.format(1)), int)


def test_a_hung_gpu_blocks_its_own_calls_alone(standin: Standin, child: Child) -> None:
    keep_handles(child)
    standin.hang(0)
    stuck = [child.send(POWER.format(0)), child.send("gpu(0)")]
    assert isinstance(child.ask(POWER.format(1)), int)
    assert isinstance(child.ask("nvmlDeviceGetMemoryInfo(gpu(2)).used"), int)
    assert not any(call.done() for call in stuck)
    standin.heal(0)
    assert isinstance(stuck[0].result(PATIENCE), int)


def test_a_hung_gpu_may_turn_out_lost(standin: Standin, child: Child) -> None:
    keep_handles(child)
    standin.hang(0)
    stuck = child.send(POWER.format(0))
    standin.lose(0)
    assert stuck.result(PATIENCE) == "NVMLError_GpuIsLost"


def test_shutdown_waits_for_a_hung_call(standin: Standin, child: Child) -> None:
    keep_handles(child)
    standin.hang(0)
    stuck = child.send(POWER.format(0))
    # The hung call is inside for certain once a second one, begun later, has had time to answer.
    for _ in range(20):
        child.ask(POWER.format(1))
    shutdown = child.send("nvmlShutdown()")
    child.ask(POWER.format(1))
    assert not shutdown.done()
    standin.heal(0)
    assert isinstance(stuck.result(PATIENCE), int)
    assert shutdown.result(PATIENCE) is None


def test_a_slow_gpu_keeps_nobody_waiting(standin: Standin, child: Child) -> None:
    keep_handles(child)
    standin.slow(0, 600)
    slow = child.send(POWER.format(0))
    assert isinstance(child.ask(POWER.format(1)), int)
    assert not slow.done()
    standin.slow(1, 0.01)
    assert isinstance(child.ask(POWER.format(1)), int)


def test_what_is_unsupported_answers_so_until_healed(standin: Standin, child: Child) -> None:
    standin.unsupported(0, "fan", "power")
    standin.unsupported(0, "nvmlDeviceGetName", "processes")
    for expression in (
        "nvmlDeviceGetFanSpeed(gpu(0))",
        "nvmlDeviceGetNumFans(gpu(0))",
        "nvmlDeviceGetPowerUsage(gpu(0))",
        "nvmlDeviceGetName(gpu(0))",
        "nvmlDeviceGetComputeRunningProcesses(gpu(0))",
    ):
        assert child.ask(expression) == "NVMLError_NotSupported"
    assert child.ask("nvmlDeviceGetPowerManagementLimit(gpu(0))") == 700_000
    assert isinstance(child.ask("nvmlDeviceGetFanSpeed(gpu(1))"), int)
    standin.heal(0)
    assert isinstance(child.ask("nvmlDeviceGetFanSpeed(gpu(0))"), int)


def test_a_figure_without_a_value_is_unsupported(standin: Standin, child: Child) -> None:
    standin.set(0, "energy", None)
    assert child.ask("nvmlDeviceGetTotalEnergyConsumption(gpu(0))") == "NVMLError_NotSupported"


@pytest.mark.parametrize(
    ("driver", "error"),
    [("broken", "NVMLError_DriverNotLoaded"), ("550.54.15", "NVMLError_LibRmVersionMismatch")],
)
def test_a_driver_that_init_refuses(
    standin: Standin, fresh: Child, driver: str, error: str
) -> None:
    standin.driver(driver)
    assert fresh.ask("nvmlInit()") == error
    standin.driver(VERSION)
    assert fresh.ask("nvmlInit()") is None


def test_a_driver_that_hangs_in_init(standin: Standin, fresh: Child) -> None:
    standin.driver("hung")
    starting = fresh.send("nvmlInit()")
    assert fresh.ask("nvmlErrorString(0)") == "Success"
    assert not starting.done()
    standin.driver(VERSION)
    assert starting.result(PATIENCE) is None


def test_an_older_library_lacks_symbols(standin: Standin) -> None:
    standin.driver("missing symbols")
    old = Child(standin)
    try:
        old.ask("nvmlInit()")
        missing = old.ask("nvmlDeviceGetMemoryInfo(gpu(0), nvmlMemory_v2)")
        assert missing == "NVMLError_FunctionNotFound"
        assert old.ask("nvmlDeviceGetMemoryInfo(gpu(0)).total") > 0
        missing = old.ask("nvmlDeviceGetComputeRunningProcesses_v3(gpu(0))")
        assert missing == "NVMLError_FunctionNotFound"
        assert old.ask("nvmlDeviceGetComputeRunningProcesses_v2(gpu(0))") == []
    finally:
        old.close()


def test_processes_by_kind(standin: Standin, child: Child) -> None:
    standin.set(0, "utilization", 60)
    standin.processes(0, [(41, 7 << 30, "compute"), (42, None, "compute"), (43, 99, "graphics")])
    compute = child.ask("nvmlDeviceGetComputeRunningProcesses(gpu(0))")
    assert [(p["pid"], p["usedGpuMemory"]) for p in compute] == [(41, 7 << 30), (42, None)]
    graphics = child.ask("nvmlDeviceGetGraphicsRunningProcesses(gpu(0))")
    assert [(p["pid"], p["usedGpuMemory"]) for p in graphics] == [(43, 99)]
    assert child.ask("nvmlDeviceGetMPSComputeRunningProcesses(gpu(0))") == []
    used = child.ask("nvmlDeviceGetProcessUtilization(gpu(0), 0)")
    assert [(sample["pid"], sample["smUtil"]) for sample in used] == [(41, 20), (42, 20), (43, 20)]


def test_many_processes(standin: Standin, child: Child) -> None:
    standin.processes(0, [(pid, pid, "compute") for pid in range(1, 201)])
    found = child.ask("nvmlDeviceGetComputeRunningProcesses(gpu(0))")
    assert [process["pid"] for process in found] == list(range(1, 201))


def test_mig_instances_have_memory_but_no_utilization(standin: Standin, child: Child) -> None:
    standin.mig(1, ["1g.10gb", "3g.40gb"])
    assert child.ask("nvmlDeviceGetMigMode(gpu(1))") == [1, 1]
    assert child.ask("nvmlDeviceGetUtilizationRates(gpu(1))") == "NVMLError_NotSupported"
    name = child.ask("nvmlDeviceGetName(instance(1, 1))")
    assert name == "NVIDIA H100 80GB HBM3 MIG 3g.40gb"
    assert child.ask("nvmlDeviceGetUUID(instance(1, 0))").startswith("MIG-")
    assert child.ask("nvmlDeviceGetMemoryInfo(instance(1, 0)).total") < 10 << 30
    assert child.ask("nvmlDeviceGetUtilizationRates(instance(1, 0))") == "NVMLError_NotSupported"
    assert child.ask("nvmlDeviceGetGpuInstanceId(instance(1, 1))") == 2
    assert child.ask("nvmlDeviceGetComputeInstanceId(instance(1, 1))") == 0
    assert child.ask("nvmlDeviceIsMigDeviceHandle(instance(1, 1))") == 1
    parent = "nvmlDeviceGetDeviceHandleFromMigDeviceHandle(instance(1, 1))"
    assert child.ask(f"nvmlDeviceGetIndex({parent})") == 1
    assert child.ask("nvmlDeviceGetAttributes(instance(1, 1)).gpuInstanceSliceCount") == 3
    assert child.ask("instance(1, 2)") == "NVMLError_NotFound"
    by_uuid = "nvmlDeviceGetHandleByUUID(nvmlDeviceGetUUID(instance(1, 1)))"
    assert child.ask(f"nvmlDeviceGetName({by_uuid})") == name


def test_processes_of_an_instance_are_also_the_gpus(standin: Standin, child: Child) -> None:
    standin.mig(1, ["1g.10gb", "1g.10gb"])
    standin.processes(1, [(51, 100, "compute")], mig=1)
    assert child.ask("nvmlDeviceGetComputeRunningProcesses(instance(1, 0))") == []
    for handle in ("instance(1, 1)", "gpu(1)"):
        (process,) = child.ask(f"nvmlDeviceGetComputeRunningProcesses({handle})")
        assert (process["pid"], process["gpuInstanceId"]) == (51, 2)


def test_mig_is_switched_off(standin: Standin, child: Child) -> None:
    standin.mig(1, ["1g.10gb"])
    standin.mig(1, [])
    assert child.ask("nvmlDeviceGetMigMode(gpu(1))") == [0, 0]
    assert child.ask("nvmlDeviceGetMaxMigDeviceCount(gpu(1))") == 7
    assert child.ask("instance(1, 0)") == "NVMLError_NotFound"


def event_set(child: Child, name: str, *gpus: int) -> None:
    child.ask(f"keep({name!r}, nvmlEventSetCreate())")
    for gpu in gpus:
        child.ask(
            f"nvmlDeviceRegisterEvents(gpu({gpu}), nvmlEventTypeXidCriticalError, kept[{name!r}])"
        )


def wait(name: str, milliseconds: int) -> str:
    """An event as [index of the GPU, type, data]."""
    return (
        "(lambda e: [nvmlDeviceGetIndex(e.device), e.eventType, e.eventData])"
        f"(nvmlEventSetWait_v2(kept[{name!r}], {milliseconds}))"
    )


def test_an_xid_reaches_each_event_set_once(standin: Standin, child: Child) -> None:
    standin.xid(0, 13)
    event_set(child, "first", 0, 1)
    event_set(child, "second", 1)
    standin.xid(0, 48)
    standin.xid(2, 31)
    standin.xid(1, 79)
    assert child.ask(wait("first", 0)) == [0, 8, 48]
    assert child.ask(wait("first", 0)) == [1, 8, 79]
    assert child.ask(wait("first", 0)) == "NVMLError_Timeout"
    assert child.ask(wait("second", 0)) == [1, 8, 79]
    assert child.ask(wait("second", 60)) == "NVMLError_Timeout"


def test_a_waiter_is_woken_by_an_xid(standin: Standin, child: Child) -> None:
    event_set(child, "set", 0)
    waiting = child.send(wait("set", int(PATIENCE * 1000)))
    child.ask("nvmlDeviceGetCount()")
    assert not waiting.done()
    standin.xid(0, 94)
    assert waiting.result(PATIENCE) == [0, 8, 94]


def test_a_lost_gpu_ends_the_wait_after_its_events(standin: Standin, child: Child) -> None:
    event_set(child, "set", 0, 1)
    standin.xid(0, 79)
    standin.lose(0)
    raw = "(lambda e: [e.eventType, e.eventData])(nvmlEventSetWait_v2(kept['set'], 5000))"
    assert child.ask(raw) == [8, 79]
    assert child.ask(raw) == "NVMLError_GpuIsLost"
    standin.xid(1, 63)
    assert child.ask(raw) == [8, 63]


def test_the_demonstration_moves(tmp_path: Path) -> None:
    script = str(SOURCES / "standin.py")
    command = [sys.executable, script, str(tmp_path), "--gpus", "2", "--seconds", "0.6"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"export LLMOS_NVML_STATE={tmp_path}/state" in done.stdout
    still = Standin.create(tmp_path / "still", gpus=2)
    assert (tmp_path / "state").read_text() != still.state_path.read_text()
