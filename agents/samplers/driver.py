"""The NVIDIA driver: opening it, and saying in one line why it could not be opened."""

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import pynvml  # type: ignore[import-untyped]

LIBRARY: Final = "libnvidia-ml.so.1"
WSL_FOLDER: Final = Path("/usr/lib/wsl/lib")
"""Where WSL2 keeps the library; not every root shell there has it in its linker's path."""

NVIDIA: Final = "0x10de"
DISPLAY_CLASS: Final = "0x03"
PCI_DEVICES: Final = Path("/sys/bus/pci/devices")

ADVICE: Final = {
    pynvml.NVML_ERROR_NO_PERMISSION: (
        "no permission to use the driver: give this user access to /dev/nvidia*"
    ),
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: (
        "the driver is not loaded: run `modprobe nvidia`, and reinstall the driver if that fails"
    ),
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: (
        "the driver's library is too old: install a driver of version 450 or newer"
    ),
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: (
        "the driver and its library differ: reboot or reload the module"
    ),
}


class DriverUnusable(Exception):
    """The driver cannot be opened; `state` is that of a Collector, the message says what to do."""

    def __init__(self, state: Literal["absent", "failed"], message: str) -> None:
        super().__init__(message)
        self.state = state


def open_driver() -> int:
    """Open the driver and give the number of its GPUs. May hang with a hung driver.

    It is never closed: `nvmlShutdown` waits for every call under way, so a hung GPU would hold up
    the exit of the agent. The end of the process closes it.
    """
    _load_library()
    try:
        pynvml.nvmlInit()
        return int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError as error:
        raise DriverUnusable("failed", advice(error)) from error


def advice(error: pynvml.NVMLError) -> str:
    """One line about an error of the driver."""
    return ADVICE.get(error.value) or f"the driver answers: {error}"


def versions() -> tuple[str | None, str | None]:
    """The versions of the driver and of the newest CUDA it speaks."""
    try:
        driver = pynvml.nvmlSystemGetDriverVersion()
    except pynvml.NVMLError:
        driver = None
    try:
        number = pynvml.nvmlSystemGetCudaDriverVersion_v2()
        cuda = f"{number // 1000}.{number % 1000 // 10}"
    except pynvml.NVMLError:
        cuda = None
    return driver, cuda


def _load_library() -> None:
    """Load the library ahead of pynvml, which does not say why it could not."""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError as error:
        in_wsl = WSL_FOLDER / LIBRARY
        if in_wsl.exists():
            ctypes.CDLL(str(in_wsl))
        elif "No such file" not in str(error):
            reason = f"the driver's library is broken: reinstall the driver ({error})"
            raise DriverUnusable("failed", reason) from error
        elif any(_nvidia_cards()):
            raise DriverUnusable(
                "failed", "an NVIDIA GPU is here but no driver: install NVIDIA's driver"
            ) from error
        else:
            raise DriverUnusable("absent", "no NVIDIA driver on this host") from error


def _nvidia_cards() -> Iterator[Path]:
    for device in PCI_DEVICES.glob("*"):
        try:
            vendor, kind = ((device / name).read_text() for name in ("vendor", "class"))
        except OSError:
            continue
        if vendor.strip() == NVIDIA and kind.startswith(DISPLAY_CLASS):
            yield device
