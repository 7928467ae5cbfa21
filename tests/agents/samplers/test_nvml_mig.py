from collections.abc import Callable
from typing import Any

from llmos.tests.nvml.standin import Standin


def test_instances_are_rows_of_their_own(standin: Standin, start: Callable[..., Any]) -> None:
    standin.mig(1, ["1g.10gb", "3g.40gb"])
    standin.set(1, "mig.1.memory.used", 999 << 20)
    samplers = start()
    shown = samplers.until(lambda shown: len(shown["rows"]) == 5)
    gpus = shown["facts"]["gpus"]
    assert [gpu["index"] for gpu in gpus] == [0, 1, 2, 3, 4]
    assert [gpu["parent"] for gpu in gpus] == [None, None, None, 1, 1]
    assert [gpu["profile"] for gpu in gpus[3:]] == ["1g.10gb", "3g.40gb"]
    assert [gpu["mig"] for gpu in gpus[:3]] == [False, True, False]
    assert all(gpu["uuid"].startswith("MIG-") for gpu in gpus[3:])
    shown = samplers.until(lambda shown: shown["rows"][4]["memory_used"] == 999)
    assert shown["rows"][4] == {
        "index": 4,
        "state": "ok",
        "memory_used": 999,
        "utilization": None,
        "memory_utilization": None,
    }
    assert shown["rows"][1]["utilization"] is None
    assert shown["rows"][1]["temperature"] is not None


def test_instances_that_are_made_later_come_with_their_facts(
    standin: Standin, start: Callable[..., Any]
) -> None:
    samplers = start()
    samplers.until(lambda shown: len(shown["rows"]) == 3)
    standin.mig(0, ["2g.20gb"])
    standin.xid(0, 45)
    shown = samplers.until(lambda shown: len(shown["rows"]) == 4)
    assert shown["facts"]["gpus"][3]["profile"] == "2g.20gb"


def test_a_process_of_an_instance_is_listed_there(
    standin: Standin, start: Callable[..., Any]
) -> None:
    standin.mig(0, ["1g.10gb"])
    standin.processes(0, [(4_300_000, 1 << 20, "compute")])
    standin.processes(0, [(4_300_000, 1 << 20, "compute")], mig=0)
    shown = start().until(lambda shown: [each["gpu"] for each in shown["processes"]] == [3])
    assert shown["processes"][0]["pid"] == 4_300_000


def test_instances_of_a_lost_gpu_are_lost(standin: Standin, start: Callable[..., Any]) -> None:
    standin.mig(2, ["1g.10gb"])
    samplers = start()
    samplers.until(lambda shown: len(shown["rows"]) == 4)
    standin.lose(2)
    assert samplers.state(3, "lost")["rows"][3] == {"index": 3, "state": "lost"}


def test_a_gpu_that_is_no_longer_divided_shows_its_utilization_again(
    standin: Standin, start: Callable[..., Any]
) -> None:
    standin.mig(0, ["7g.80gb"])
    samplers = start()
    samplers.until(lambda shown: len(shown["rows"]) == 4)
    standin.mig(0, [])
    standin.xid(0, 45)
    samplers.until(lambda shown: len(shown["rows"]) == 3)
    shown = samplers.until(lambda shown: shown["rows"][0]["utilization"] is not None)
    assert shown["facts"]["gpus"][0]["unsupported"] == []
