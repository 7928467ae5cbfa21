from collections.abc import Callable
from typing import Any

from llmos.agents.protocol.fields import GPU_FIELDS
from llmos.agents.samplers.nvml import NvmlSampler
from llmos.tests.nvml.standin import VERSION, Standin

FIGURES = {
    "utilization": 37,
    "utilization.memory": 21,
    "memory.used": 5000 << 20,
    "temperature": 61,
    "power": 345_678,
    "fan": 44,
    "performance_state": 2,
    "throttle": 0x4 | 0x20 | 0x1,
    "clock.sm": 1755,
    "clock.memory": 2600,
    "encoder": 7,
    "decoder": 9,
    "pcie.tx": 12_345,
    "pcie.rx": 54_321,
}

ROW = {
    "index": 1,
    "state": "ok",
    "utilization": 37,
    "memory_utilization": 21,
    "memory_used": 5000,
    "temperature": 61,
    "power": 345.678,
    "fan": 44,
    "performance_state": 2,
    "throttle": 0b10010,
    "sm_clock": 1755,
    "memory_clock": 2600,
    "encoder": 7,
    "decoder": 9,
    "pcie_send": 12.345,
    "pcie_receive": 54.321,
}


def complete(shown: dict[str, Any]) -> bool:
    return len(shown["rows"]) == 3 and all(None not in row.values() for row in shown["rows"])


def test_every_figure_is_shown_in_its_unit(standin: Standin, start: Callable[..., Any]) -> None:
    standin.update({1: FIGURES})
    shown = start().until(complete)
    assert shown["rows"][1] == ROW
    assert [row["index"] for row in shown["rows"]] == [0, 1, 2]
    assert {field.name for field in GPU_FIELDS} == {"slot", *ROW}


def test_a_performance_state_that_the_driver_does_not_know_is_absent(
    standin: Standin, start: Callable[..., Any]
) -> None:
    standin.set(0, "performance_state", 32)
    shown = start().state(0, "ok")
    assert shown["rows"][0]["performance_state"] is None


def test_facts_are_there_with_the_first_rows(standin: Standin, start: Callable[..., Any]) -> None:
    standin.update(
        {
            2: {
                "remap.correctable": 3,
                "remap.pending": 1,
                "ecc.uncorrected.volatile": 2,
                "nvlink.links": 2,
                "pcie.generation": 4,
            }
        }
    )
    shown = start().until(lambda shown: bool(shown["rows"]))
    facts = shown["facts"]
    assert (facts["driver"], facts["cuda"]) == (VERSION, "13.0")
    assert [gpu["index"] for gpu in facts["gpus"]] == [0, 1, 2]
    assert len({gpu["uuid"] for gpu in facts["gpus"]}) == 3
    link = {"active": True, "version": 4, "remote": "00000000:05:00.0"}
    expected = {
        "name": "NVIDIA H100 80GB HBM3",
        "pci_bus_id": "00000000:4C:00.0",
        "memory_total": 81559,
        "power_limit": 700.0,
        "power_limit_default": 700.0,
        "power_limit_min": 200.0,
        "power_limit_max": 700.0,
        "temperature_slowdown": 89,
        "temperature_shutdown": 92,
        "sm_clock_max": 1980,
        "memory_clock_max": 2619,
        "pcie_generation": 4,
        "pcie_generation_max": 5,
        "pcie_width": 16,
        "pcie_width_max": 16,
        "pcie_replays": 0,
        "ecc": True,
        "ecc_corrected": 0,
        "ecc_uncorrected": 2,
        "remapped_rows": {"corrected": 3, "uncorrected": 0, "pending": True, "failed": False},
        "links": [{"index": 0, **link}, {"index": 1, **link}],
        "vbios": "96.00.89.00.01",
        "compute_capability": "9.0",
        "persistence": True,
        "mig": False,
        "parent": None,
        "profile": None,
        "unsupported": [],
    }
    gpu = facts["gpus"][2]
    assert {key: gpu[key] for key in expected} == expected
    assert gpu.keys() == expected.keys() | {"index", "uuid"}


def test_the_interval_stays_in_its_range() -> None:
    sampler = NvmlSampler(lambda event: None)
    sampler.interval = 0.001
    assert sampler.interval == 0.1
    sampler.interval = 3600
    assert sampler.interval == 5
    sampler.close()
