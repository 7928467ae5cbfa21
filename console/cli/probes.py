"""Questions that may hang or be slow, asked in a process of their own with a deadline."""

import contextlib
import json
import subprocess
import sys
from typing import Any, Final

DRIVER_SECONDS: Final = 10.0
"""Without persistence mode the driver first loads the firmware of each GPU."""

TORCH_SECONDS: Final = 60.0
KILL_SECONDS: Final = 0.5

DRIVER: Final = """
import json, os
from llmos.agents.samplers import driver
try:
    gpus = driver.open_driver()
    version, cuda = driver.versions()
    said = {"gpus": gpus, "driver": version, "cuda": cuda}
except driver.DriverUnusable as error:
    said = {"state": error.state, "message": str(error)}
print(json.dumps(said), flush=True)
os._exit(0)
"""

TORCH: Final = """
import json
try:
    import torch
    cuda = torch.version.cuda
    said = {"version": torch.__version__, "cuda": cuda and f"CUDA {cuda}"}
    said["gpus"] = torch.cuda.device_count() if torch.cuda.is_available() else 0
except Exception as error:
    said = {"error": f"{type(error).__name__}: {error}"}
print(json.dumps(said))
"""


class Silent(Exception):
    """No answer came in time."""


def ask_driver() -> dict[str, Any]:
    """Its versions and number of GPUs; or the state and message of one that is unusable."""
    return _ask(DRIVER, "the driver", DRIVER_SECONDS)


def ask_torch() -> dict[str, Any]:
    """Its version, the CUDA it is built for, and how many GPUs it sees; or an error."""
    return _ask(TORCH, "torch", TORCH_SECONDS)


def _ask(program: str, whom: str, seconds: float) -> dict[str, Any]:
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        answer, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        _let_go(process)
        raise Silent(f"{whom} does not answer within {seconds:.0f} s") from None
    try:
        said: dict[str, Any] = json.loads(answer)
    except ValueError:
        raise Silent(f"{whom} ended with exit code {process.returncode} when asked") from None
    return said


def _let_go(process: "subprocess.Popen[str]") -> None:
    """Kill it, and wait no longer than a kill takes: in a hung driver call it has no effect."""
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(KILL_SECONDS)
    if process.stdout is not None:
        process.stdout.close()
