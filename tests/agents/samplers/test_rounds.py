import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from llmos.agents.samplers.pace import Pace, next_multiple
from llmos.agents.samplers.rounds import Rounds

INTERVAL = 0.05


class Asked:
    """Something to ask in rounds, which notes on which threads, and hangs or is slow when told."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.usual_seconds = 0.0
        self.threads: list[int] = []
        self.answers = threading.Event()
        self.answers.set()

    def ask(self) -> None:
        self.threads.append(threading.get_ident())
        self.answers.wait()


@pytest.fixture
def pace() -> Any:
    pace = Pace(INTERVAL)
    yield pace
    pace.stop()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def sharing(asked: list[Asked]) -> bool:
    for each in asked:
        each.threads.clear()
    time.sleep(3 * INTERVAL)
    return all(each.threads for each in asked) and len({t for a in asked for t in a.threads}) == 1


def test_quick_ones_share_a_thread_and_a_slow_one_has_its_own(pace: Pace) -> None:
    asked = [Asked(index) for index in range(4)]
    Rounds(asked, pace)  # type: ignore[arg-type]
    until(lambda: sharing(asked))
    asked[2].usual_seconds = 1.0
    until(lambda: sharing([asked[0], asked[1], asked[3]]) and not sharing(asked))
    asked[2].usual_seconds = 0.0
    until(lambda: sharing(asked))


@pytest.mark.parametrize("hanging", [0, 2, 3])
def test_one_that_hangs_keeps_its_thread_and_the_others_get_another(
    pace: Pace, hanging: int
) -> None:
    asked = [Asked(index) for index in range(4)]
    rounds = Rounds(asked, pace)  # type: ignore[arg-type]
    until(lambda: sharing(asked))
    asked[hanging].answers.clear()
    time.sleep(2 * INTERVAL)
    asked[hanging].threads.clear()
    others = [each for each in asked if each.index != hanging]
    until(lambda: rounds.relieve() or sharing(others))  # type: ignore[func-returns-value]
    assert not asked[hanging].threads
    asked[hanging].answers.set()
    until(lambda: sharing(asked))


def test_what_keeps_to_multiples_falls_due_together() -> None:
    assert next_multiple(0.5, 10.2) == 10.5
    assert next_multiple(1.0, 10.2) == next_multiple(0.5, 10.5) == 11.0
