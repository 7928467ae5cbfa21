"""`llmos hold` and `release`, and what lists say of jobs that wait."""

import json
from collections.abc import Callable
from typing import Any

from llmos.tests.conftest import FrontDoor

Spec = Callable[[str], str]
Until = Callable[[str, str], dict[str, Any]]


def test_a_job_submitted_with_hold_starts_when_it_is_released(
    llmos: FrontDoor, spec: Spec, until_state: Until
) -> None:
    path = spec("print('ran')")
    assert llmos("submit", path, "--hold", "--priority", "5") == "1\n"
    assert llmos("submit", path, "--after", "1:any", "--set", "retry.max_attempts=3") == "2\n"
    header, second, first = llmos("jobs").splitlines()
    assert header.split()[:4] == ["JOB", "NAME", "STATE", "PRIO"]
    assert first.split()[:4] == ["1", "tiny", "held", "5"]
    assert "llmos release 1" in first
    assert second.split()[:4] == ["2", "tiny", "queued", "-"]
    assert "job 1" in second
    said = llmos("job", "2")
    assert "after     1:any\n" in said
    assert "retry     up to 3 attempts within " in said

    assert llmos.run("release", "1").stderr.startswith("job 1: ")
    until_state("1", "succeeded")
    until_state("2", "succeeded")
    assert "PRIO" in llmos("jobs")


def test_many_are_held_and_what_is_refused_keeps_none_of_the_others(
    llmos: FrontDoor, spec: Spec, until_state: Until
) -> None:
    path = spec("pass")
    llmos("submit", path)
    until_state("1", "succeeded")
    for _ in range(2):
        llmos("submit", path, "--hold")
    llmos("release", "2")
    until_state("2", "succeeded")
    done = llmos.run("hold", "1", "3", "9", "3", code=1)
    held, refused = done.stderr.splitlines()
    assert held.startswith("job 3: ")
    assert refused.startswith("llmos: job 1 ")
    assert refused.endswith("; there is no job 9; `llmos jobs` lists them")
    jobs = json.loads(llmos("jobs", "--json"))["jobs"]
    assert [job["held"] for job in jobs] == [True, False, False]


def test_holding_changes_something_and_needs_a_job(llmos: FrontDoor) -> None:
    for word in ("hold", "release"):
        assert f"{word} changes something" in llmos.error(word, "1", "--readonly", code=2)
        assert "missing argument 'JOB...'" in llmos.error(word, code=2)


def test_a_failed_attempt_is_told_with_what_helps(
    llmos: FrontDoor, spec: Spec, until_state: Until, conforms: Callable[[object, str], None]
) -> None:
    llmos("submit", spec("raise MemoryError('no room')"))
    record = until_state("1", "failed")
    conforms({"schema": 1, "job": record}, "job")
    said = llmos("job", "1").partition("attempts\n")[2].splitlines()
    assert said[0].endswith(": out of memory on rank 0, exit code 1")
    assert said[1].strip() == "MemoryError: no room"
    assert said[2].strip().startswith("use fewer data workers")
