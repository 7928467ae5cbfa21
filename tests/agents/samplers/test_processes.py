"""Real processes of this host, named as a driver or a job names them."""

import getpass
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest

from llmos.agents.protocol.facts import Detail, Process
from llmos.agents.samplers.gpu_processes import GpuProcess
from llmos.agents.samplers.processes import LONGEST_COMMAND, ProcessSampler

PATIENCE = 20.0
NOT_HERE = 1 << 30
"""Above the kernel's highest pid."""

Named = list[tuple[int, GpuProcess]]


@contextmanager
def python(code: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


SLEEP = "import sys; print(flush=True); sys.stdin.read()"
SPIN = "print(flush=True)\nwhile True: pass"


@pytest.fixture
def sampler() -> Iterator[Callable[..., ProcessSampler]]:
    made: list[ProcessSampler] = []

    def make(named: Named, jobs: dict[int, tuple[str, int]]) -> ProcessSampler:
        made.append(ProcessSampler(lambda: list(named), lambda: jobs))
        return made[-1]

    yield make
    for each in made:
        each.close()


def until(sampler: ProcessSampler, true: Callable[[list[Process]], bool]) -> list[Process]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        detail = Detail(slot=0)
        sampler.detail(detail)
        if true(detail.processes):
            return detail.processes
        time.sleep(0.05)
    pytest.fail(f"not shown: {detail.processes}, {sampler.collectors()}")


def test_a_process_of_a_gpu_shows_whose_it_is(sampler: Callable[..., ProcessSampler]) -> None:
    with python(SLEEP, "--model", "of mine") as process:
        named = [(3, GpuProcess(process.pid, 512, "compute"))]
        (shown,) = until(sampler(named, {}), bool)
        known = psutil.Process(process.pid)
        assert (shown.gpu, shown.gpu_memory, shown.use) == (3, 512, "compute")
        assert shown.user == getpass.getuser()
        assert shown.command == f"{sys.executable} -c {SLEEP} --model of mine"
        assert shown.started == pytest.approx(known.create_time(), abs=0.02)
        assert shown.memory == pytest.approx(known.memory_info().rss / 2**20, abs=1)
        assert (shown.job, shown.rank) == (None, None)


def test_a_process_of_a_job_shows_its_rank_with_and_without_a_gpu(
    sampler: Callable[..., ProcessSampler],
) -> None:
    with python(SLEEP) as first, python(SLEEP) as second:
        named = [(0, GpuProcess(first.pid, None, "both"))]
        jobs = {first.pid: ("12", 0), second.pid: ("12", 1)}
        shown = until(sampler(named, jobs), bool)
        assert [(each.pid, each.gpu, each.job, each.rank) for each in shown] == [
            (first.pid, 0, "12", 0),
            (second.pid, None, "12", 1),
        ]


def test_a_process_on_two_gpus_is_listed_twice(sampler: Callable[..., ProcessSampler]) -> None:
    with python(SLEEP) as process:
        named = [(gpu, GpuProcess(process.pid, gpu, "graphics")) for gpu in (1, 4)]
        shown = until(sampler(named, {}), bool)
        assert [each.gpu for each in shown] == [1, 4]


def test_a_busy_process_shows_its_cpu_from_the_second_look_on(
    sampler: Callable[..., ProcessSampler],
) -> None:
    with python(SPIN) as process:
        watched = sampler([], {process.pid: ("1", 0)})
        assert until(watched, bool)[0].cpu is None
        until(watched, lambda shown: (shown[0].cpu or 0) > 0)


def test_a_process_that_ended_is_dropped_while_the_driver_still_names_it(
    sampler: Callable[..., ProcessSampler],
) -> None:
    with python(SLEEP) as process:
        named = [(0, GpuProcess(process.pid, 1, "compute"))]
        watched = sampler(named, {})
        until(watched, bool)
    until(watched, lambda shown: shown == [])


def test_a_process_of_another_namespace_is_shown_with_what_is_known(
    sampler: Callable[..., ProcessSampler],
) -> None:
    (shown,) = until(sampler([(2, GpuProcess(NOT_HERE, 77, "compute"))], {}), bool)
    assert shown == Process(pid=NOT_HERE, gpu=2, gpu_memory=77, use="compute")


def test_a_rank_that_is_not_there_is_not_shown(sampler: Callable[..., ProcessSampler]) -> None:
    with python(SLEEP) as process:
        jobs = {NOT_HERE: ("1", 0), process.pid: ("1", 1)}
        assert [each.pid for each in until(sampler([], jobs), bool)] == [process.pid]


def test_a_command_line_cannot_steer_a_terminal_and_has_an_end(
    sampler: Callable[..., ProcessSampler],
) -> None:
    with python(SLEEP, "\x1b[2J\nnext", "x" * 5000) as process:
        command = until(sampler([], {process.pid: ("1", 0)}), bool)[0].command
        assert command is not None
        assert command.isprintable()
        assert len(command) == LONGEST_COMMAND
        assert " [2J next x" in command


def test_what_names_the_processes_may_fail_and_is_asked_again() -> None:
    answers = iter([ValueError("not now")])

    def jobs() -> dict[int, tuple[str, int]]:
        for error in answers:
            raise error
        return {}

    sampler = ProcessSampler(list, jobs)
    states = {"ok": 0, "failed": 0}
    deadline = time.monotonic() + PATIENCE
    while not (states["failed"] and sampler.collectors()[0].state == "ok"):
        assert time.monotonic() < deadline, states
        states[sampler.collectors()[0].state] += 1
        sampler.detail(Detail(slot=0))
        time.sleep(0.02)
    sampler.close()
