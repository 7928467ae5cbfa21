"""One GPU in trouble: its row says so, and those beside it go on as if nothing had happened."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from llmos.tests.nvml.standin import Standin

FOLLOWED = (11, 22, 33)


def follow(standin: Standin, samplers: Any, *gpus: int) -> None:
    """Each change of a healthy GPU's figure is shown: one that is skipped would fail."""
    for figure in FOLLOWED:
        standin.update({gpu: {"utilization": figure} for gpu in gpus})
        samplers.until(partial(shows, utilization=figure, gpus=gpus))


def shows(shown: dict[str, Any], utilization: int, gpus: Sequence[int]) -> bool:
    found = {row["index"]: row.get("utilization") for row in shown["rows"]}
    return all(found.get(gpu) == utilization for gpu in gpus)


def collector(shown: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in shown["facts"]["collectors"] if each["name"] == name)


def told(shown: dict[str, Any], source: str) -> list[str]:
    return [event["what"] for event in shown["events"] if event["source"] == source]


@contextmanager
def beside(standin: Standin, samplers: Any) -> Iterator[None]:
    """GPUs 0 and 2 are followed before, and again with whatever was done to GPU 1."""
    follow(standin, samplers, 0, 1, 2)
    yield
    follow(standin, samplers, 0, 2)


def test_a_lost_gpu_shows_no_figures_and_comes_back(
    standin: Standin, start: Callable[..., Any]
) -> None:
    samplers = start()
    with beside(standin, samplers):
        standin.lose(1)
        shown = samplers.state(1, "lost")
        assert shown["rows"][1] == {"index": 1, "state": "lost"}
        assert shown["facts"]["gpus"][1]["name"] == "NVIDIA H100 80GB HBM3"
        assert collector(shown, "gpu 1")["state"] == "failed"
        assert "reset the GPU or reboot" in collector(shown, "gpu 1")["message"]
    samplers.until(lambda shown: told(shown, "gpu 1") == ["gpu lost"])
    standin.heal(1)
    shown = samplers.until(lambda shown: told(shown, "gpu 1") == ["gpu lost", "gpu back"])
    assert [event["severity"] for event in shown["events"]] == ["error", "info"]
    follow(standin, samplers, 0, 1, 2)


def test_a_hung_gpu_shows_no_figures_and_comes_back(
    standin: Standin, start: Callable[..., Any]
) -> None:
    samplers = start()
    with beside(standin, samplers):
        standin.hang(1)
        shown = samplers.state(1, "hung")
        assert shown["rows"][1] == {"index": 1, "state": "hung"}
        assert collector(shown, "gpu 1")["state"] == "late"
    samplers.until(lambda shown: told(shown, "gpu 1") == ["gpu hung"])
    standin.heal(1)
    samplers.until(lambda shown: told(shown, "gpu 1") == ["gpu hung", "gpu back"])
    follow(standin, samplers, 0, 1, 2)


def test_a_gpu_that_hangs_from_the_start_holds_up_neither_the_others_nor_the_end(
    standin: Standin, start: Callable[..., Any]
) -> None:
    standin.hang(0)
    samplers = start()
    shown = samplers.state(0, "hung")
    assert [gpu["name"] is None for gpu in shown["facts"]["gpus"]] == [True, False, False]
    follow(standin, samplers, 1, 2)
    assert samplers.end() == 0


def test_the_end_does_not_wait_for_a_gpu_that_hangs_while_it_runs(
    standin: Standin, start: Callable[..., Any]
) -> None:
    samplers = start()
    follow(standin, samplers, 2)
    standin.hang(2)
    samplers.state(2, "hung")
    assert samplers.end() == 0


def test_the_end_does_not_wait_for_a_driver_that_hangs_as_it_is_opened(
    standin: Standin, start: Callable[..., Any]
) -> None:
    standin.driver("hung")
    samplers = start()
    samplers.until(lambda shown: shown["rows"] == [])
    assert samplers.end() == 0


def test_a_slow_gpu_still_shows_its_figures(standin: Standin, start: Callable[..., Any]) -> None:
    samplers = start()
    with beside(standin, samplers):
        standin.slow(1, 0.06)
        shown = samplers.state(1, "slow")
        assert shown["rows"][1]["temperature"] is not None
        assert collector(shown, "gpu 1")["state"] == "late"
    standin.set(1, "temperature", 77)
    shown = samplers.until(lambda shown: shown["rows"][1]["temperature"] == 77)
    assert shown["rows"][1]["state"] == "slow"
    standin.heal(1)
    samplers.state(1, "ok")
    assert told(shown, "gpu 1") == []


def test_what_a_gpu_does_not_support_is_absent_and_listed(
    standin: Standin, start: Callable[..., Any]
) -> None:
    standin.unsupported(1, "fan", "encoder", "nvmlDeviceGetPowerUsage", "nvlink", "ecc", "remap")
    samplers = start()
    shown = samplers.until(lambda shown: bool(shown["rows"]))
    gpu, row = shown["facts"]["gpus"][1], shown["rows"][1]
    assert gpu["unsupported"] == ["encoder", "fan", "power"]
    assert (gpu["ecc"], gpu["remapped_rows"], gpu["links"]) == (None, None, [])
    assert [row["fan"], row["encoder"], row["power"]] == [None, None, None]
    assert row["state"] == "ok"
    assert row["temperature"] is not None
    assert shown["facts"]["gpus"][0]["unsupported"] == []
    assert collector(shown, "gpu 1")["state"] == "ok"
    follow(standin, samplers, 0, 1, 2)


def test_a_gpu_that_answers_with_other_errors_has_failed(
    standin: Standin, start: Callable[..., Any]
) -> None:
    standin.unsupported(1, "nvmlDeviceGetHandleByIndex_v2")
    samplers = start()
    shown = samplers.state(1, "failed")
    assert shown["rows"][1]["temperature"] is None
    assert collector(shown, "gpu 1")["message"] == "the driver answers: Not Supported"
    follow(standin, samplers, 0, 2)
    standin.heal(1)
    follow(standin, samplers, 0, 1, 2)
