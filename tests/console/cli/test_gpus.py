"""Jobs on the GPUs of a host, from the very first command."""

from pathlib import Path

from llmos.tests.conftest import FrontDoor
from llmos.tests.nvml.standin import Standin


def test_the_first_job_of_all_gets_its_gpus(
    llmos: FrontDoor, standin: Standin, tmp_path: Path
) -> None:
    llmos.environment |= standin.environment() | {"LLMOS_LEASES": str(tmp_path / "leases")}
    script = tmp_path / "shows.py"
    script.write_text("import os; print(os.environ['CUDA_VISIBLE_DEVICES'].count('GPU-'))\n")
    assert llmos("run", "--ranks", "2", "--", str(script)) == "2\n"
    assert llmos("run", "--gpus", "3", "--ranks", "1", "--", str(script)) == "3\n"
