from collections.abc import Callable
from typing import Any

from llmos.tests.nvml.standin import Standin


def test_an_xid_is_told_with_its_number_and_gpu(
    standin: Standin, start: Callable[..., Any]
) -> None:
    samplers = start()
    samplers.until(lambda shown: len(shown["rows"]) == 3)
    standin.xid(2, 79)
    standin.xid(0, 31)
    shown = samplers.until(lambda shown: len(shown["events"]) == 2)
    first, second = shown["events"]
    assert (first["source"], first["what"], first["number"]) == ("gpu 2", "xid", 79)
    assert (second["source"], second["what"], second["number"]) == ("gpu 0", "xid", 31)
    assert first["text"] == "XID 79 on GPU 2"
    assert first["severity"] == "warning"


def test_an_xid_has_the_facts_read_again(standin: Standin, start: Callable[..., Any]) -> None:
    samplers = start()
    samplers.until(lambda shown: len(shown["rows"]) == 3)
    standin.set(1, "remap.pending", 1)
    standin.xid(1, 63)
    samplers.until(lambda shown: shown["facts"]["gpus"][1]["remapped_rows"]["pending"])


def test_xids_are_told_while_another_gpu_is_lost(
    standin: Standin, start: Callable[..., Any]
) -> None:
    samplers = start()
    samplers.until(lambda shown: len(shown["rows"]) == 3)
    standin.lose(0)
    samplers.state(0, "lost")
    standin.xid(2, 48)
    samplers.until(lambda shown: 48 in [event["number"] for event in shown["events"]])


def test_a_driver_without_events_still_shows_figures(
    standin: Standin, start: Callable[..., Any]
) -> None:
    for gpu in range(3):
        standin.set(gpu, "event_types", None)
    samplers = start()
    samplers.state(2, "ok")
    standin.lose(2)
    samplers.until(lambda shown: [event["what"] for event in shown["events"]] == ["gpu lost"])
