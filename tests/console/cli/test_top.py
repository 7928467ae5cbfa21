import json
import time
from collections.abc import Callable

from llmos.agents.protocol.fields import GPU_FIELDS
from llmos.tests.conftest import PATIENCE, FrontDoor
from llmos.tests.nvml.standin import Standin

FIGURES = [field.name for field in GPU_FIELDS[2:]]


def test_json_shows_every_figure_of_eight_gpus_and_null_where_one_is_unsupported(
    llmos: FrontDoor, standin: Standin, conforms: Callable[[object, str], None]
) -> None:
    standin.unsupported(3, "fan")
    llmos.environment |= standin.environment()
    picture = json.loads(llmos("top", "--once", "--json"))
    conforms(picture, "top")
    [node] = picture["nodes"]
    assert node["cpu"] is not None
    assert [gpu["index"] for gpu in node["gpus"]] == list(range(8))
    unknown = {
        (gpu["index"], name) for gpu in node["gpus"] for name in FIGURES if gpu[name] is None
    }
    assert unknown == {(3, "fan")}
    assert node["gpus"][3]["unsupported"] == ["fan"]


def test_text_fits_80_columns_and_shows_a_hung_gpu_as_hung(
    llmos: FrontDoor, standin: Standin
) -> None:
    standin.hang(5)
    llmos.environment |= standin.environment()
    lines = llmos("top", "--once").splitlines()
    assert max(map(len, lines)) <= 80
    titles = next(line for line in lines if line.startswith("GPU"))
    assert titles.split() == [
        "GPU",
        "NAME",
        "UTIL",
        "MEMORY",
        "POWER",
        "TEMP",
        "STATE",
        "USED",
        "BY",
    ]
    rows = [line.split() for line in lines if line[:3].strip().isdecimal()]
    assert [row[0] for row in rows] == list("01234567")
    states = [
        row[next(at for at, cell in enumerate(row) if cell in ("ok", "hung"))] for row in rows
    ]
    assert states == ["ok"] * 5 + ["hung"] + ["ok"] * 2
    assert rows[5].count("n/a") == 5


def test_without_a_terminal_the_bare_command_prints_a_picture_of_a_host_without_gpus(
    llmos: FrontDoor,
) -> None:
    said = llmos()
    assert "CPU n/a" not in said
    assert " cores" in said
    assert "No jobs yet" in said
    deadline = time.monotonic() + PATIENCE
    while "nvml: no NVIDIA driver on this host" not in said:
        assert time.monotonic() < deadline, said
        time.sleep(0.5)
        said = llmos()


def test_readers_that_leave_early_hear_no_complaint(llmos: FrontDoor) -> None:
    llmos("jobs")
    process = llmos.start("jobs")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(60) == 141
