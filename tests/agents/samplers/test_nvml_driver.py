"""A driver that is not there, or cannot be used, and one that comes later."""

import ctypes.util
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmos.tests.nvml.standin import LIBRARY, VERSION, Standin


def driver(shown: dict[str, Any]) -> tuple[str, Any]:
    found = next(each for each in shown["facts"]["collectors"] if each["name"] == "nvml")
    return found["state"], found["message"]


def settled(shown: dict[str, Any]) -> bool:
    return driver(shown)[0] != "ok"


@pytest.mark.skipif(
    ctypes.util.find_library("nvidia-ml") is not None, reason="this host has an NVIDIA driver"
)
def test_without_a_driver_there_is_nothing_of_its_kind(start: Callable[..., Any]) -> None:
    shown = start({"LD_LIBRARY_PATH": ""}).until(settled)
    assert driver(shown) == ("absent", "no NVIDIA driver on this host")
    assert shown["rows"] == []
    assert shown["facts"]["driver"] is None


def test_a_driver_that_is_not_loaded_is_used_once_it_is(
    standin: Standin, start: Callable[..., Any]
) -> None:
    standin.driver("broken")
    samplers = start()
    state, message = driver(samplers.until(settled))
    assert state == "failed"
    assert "modprobe nvidia" in message
    standin.driver(VERSION)
    shown = samplers.state(2, "ok")
    assert driver(shown) == ("ok", None)
    assert shown["facts"]["driver"] == VERSION


def test_a_driver_of_another_version_than_its_library_says_what_to_do(
    standin: Standin, start: Callable[..., Any]
) -> None:
    standin.driver("570.1")
    assert driver(start().until(settled)) == (
        "failed",
        "the driver and its library differ: reboot or reload the module",
    )


def test_an_older_library_is_asked_in_the_older_way(
    standin: Standin, start: Callable[..., Any]
) -> None:
    standin.driver("missing symbols")
    standin.update({0: {"memory.used": 70 << 20, "memory.reserved": 0, "throttle": 8}})
    standin.processes(0, [(4_300_000, 3 << 20, "compute")])
    shown = start().until(lambda shown: bool(shown["processes"]))
    row = shown["rows"][0]
    assert (row["memory_used"], row["throttle"], row["state"]) == (70, 4, "ok")
    assert shown["facts"]["gpus"][0]["memory_total"] == 81559
    assert shown["processes"][0]["gpu_memory"] == 3


def test_a_library_that_lacks_the_first_function_is_too_old(
    standin: Standin, start: Callable[..., Any]
) -> None:
    library = standin.folder / LIBRARY
    library.unlink()
    command = ["gcc", "-shared", "-o", str(library), "-x", "c", "/dev/null"]
    subprocess.run(command, check=True)
    state, message = driver(start().until(settled))
    assert state == "failed"
    assert "install a driver of version" in message


def test_a_library_that_is_no_library_is_broken(
    standin: Standin, start: Callable[..., Any]
) -> None:
    library: Path = standin.folder / LIBRARY
    library.unlink()
    library.write_text("not a library")
    state, message = driver(start().until(settled))
    assert state == "failed"
    assert message.startswith("the driver's library is broken: reinstall the driver (")


def test_a_driver_without_gpus_says_so(tmp_path: Path, start: Callable[..., Any]) -> None:
    empty = Standin.create(tmp_path / "empty", gpus=0)
    shown = start(empty.environment()).until(settled)
    assert driver(shown) == ("absent", "the driver finds no GPU")
    assert shown["facts"]["driver"] == VERSION
