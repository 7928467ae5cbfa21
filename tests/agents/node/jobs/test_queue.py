"""Which jobs start, which wait, and what they say meanwhile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.agents.errors import RequestRefused
from llmos.agents.node.jobs.occupancy import GpuUse
from llmos.agents.node.jobs.queue import (
    Cores,
    Decision,
    Waiting,
    plan,
    refuse_impossible,
    settled,
)
from llmos.agents.protocol.jobs import JobRequest, JobState, Launcher, Program, Resources

TWO_CORES = Cores(2)


def job(
    id: str,
    gpus: int = 0,
    ranks: int = 1,
    priority: int = 0,
    created: float | None = None,
    held: bool = False,
    after: tuple[str, ...] = (),
) -> Waiting:
    return Waiting(
        job=id,
        gpus=gpus,
        ranks=ranks,
        priority=priority,
        created=float(id) if created is None else created,
        held=held,
        after=after,
    )


def gpu(row: int, holder: str | None = None, *sharing: str) -> GpuUse:
    return GpuUse(row=row, uuid=f"GPU-{row}", holder=holder, sharing=sharing)


def decided(
    *waiting: Waiting,
    gpus: tuple[GpuUse, ...] = (),
    cores: Cores = TWO_CORES,
    jobs: dict[str, JobState] | None = None,
) -> dict[str, Decision]:
    return {each.job: each for each in plan(waiting, gpus, cores, jobs or {})}


def starts(decisions: dict[str, Decision]) -> dict[str, tuple[int, ...]]:
    return {job: each.start for job, each in decisions.items() if each.start is not None}


# The order


def test_priority_comes_first_then_age_then_the_number() -> None:
    waiting = [
        job("10", created=1),
        job("9", created=1),
        job("2", created=0),
        job("11", priority=1),
    ]
    order = [each.job for each in plan(waiting, [], TWO_CORES, {})]
    assert order == ["11", "2", "9", "10"]


def test_a_job_that_waits_keeps_the_free_gpus_from_those_behind_it() -> None:
    found = decided(
        job("12", gpus=2, priority=5),
        job("13", gpus=1),
        job("14", gpus=1, priority=5),
        gpus=(gpu(0), gpu(1, "held by pid 812, uid 1004")),
    )
    assert starts(found) == {}
    assert found["12"].cause == "waiting for 2 GPUs: 1 free, 1 held by pid 812, uid 1004"
    assert found["13"].cause == "waits behind job 12, which has priority 5"
    assert found["14"].cause == "waits behind job 12, which is older"


def test_neither_kind_waits_for_the_other() -> None:
    found = decided(job("1", gpus=1), job("2"), gpus=(gpu(0, "lost"),))
    assert starts(found) == {"2": ()}
    found = decided(job("1"), job("2", gpus=1), gpus=(gpu(0),), cores=Cores(1, {"7": 1}))
    assert starts(found) == {"2": (0,)}


def test_a_job_that_may_not_start_keeps_nothing_from_others() -> None:
    found = decided(
        job("9", gpus=2, held=True, priority=9),
        job("10", gpus=1, after=("8",), priority=9),
        job("11", gpus=3, priority=9),
        job("12", gpus=1),
        gpus=(gpu(0), gpu(1)),
        jobs={"8": "running"},
    )
    assert starts(found) == {"12": (0,)}
    assert found["9"].cause == "held: release it with `llmos release 9`"
    assert found["10"].cause == "after job 8, which is running"
    assert found["11"].cause == "waiting for 3 GPUs: this node has 2 now"


# GPUs


def test_gpus_that_nobody_shares_come_first_then_the_lowest_rows() -> None:
    gpus = (gpu(3), gpu(0, None, "Xorg, pid 8, 120 MiB"), gpu(2), gpu(1, "lost"))
    found = decided(job("1", gpus=1), job("2", gpus=2), gpus=gpus)
    assert starts(found) == {"1": (2,), "2": (0, 3)}
    assert found["1"].cause == "starts on GPU 2"
    assert found["2"].cause == "starts on GPUs 0, 3, shared with Xorg, pid 8, 120 MiB"


def test_the_reason_names_who_holds_what_is_missing() -> None:
    held = [f"held by pid {row}" for row in range(6)]
    gpus = (gpu(6), *(gpu(row, holder) for row, holder in enumerate(held)))
    found = decided(job("1", gpus=1), job("2", gpus=7), gpus=gpus)
    assert starts(found) == {"1": (6,)}
    assert found["2"].cause == (
        "waiting for 7 GPUs: 0 free, 1 held by pid 0, 1 held by pid 1, 1 held by pid 2, "
        "1 held by pid 3, and 3 more"
    )
    gpus = (gpu(0, "held by job 7"), gpu(1, "lost"), gpu(2, "held by job 7"))
    found = decided(job("8", gpus=1), gpus=gpus)
    assert found["8"].cause == "waiting for 1 GPU: 0 free, 2 held by job 7, 1 lost"


# Cores


def test_each_rank_without_a_gpu_takes_a_core() -> None:
    found = decided(job("8", ranks=2), job("9"), cores=Cores(2, {"7": 1}))
    assert starts(found) == {}
    assert found["8"].cause == "waiting for 2 cores: 1 of 2 free, 1 used by job 7"
    assert found["9"].cause == "waits behind job 8, which is older"
    assert starts(decided(job("8"), job("9"), job("10"))) == {"8": (), "9": ()}


def test_a_job_larger_than_the_host_runs_alone() -> None:
    found = decided(job("8", ranks=4), cores=Cores(2, {"7": 1}))
    assert found["8"].cause == (
        "waiting for all cores, for its 4 ranks: 1 of 2 free, 1 used by job 7"
    )
    found = decided(job("8", ranks=4), job("9"))
    assert starts(found) == {"8": ()}
    assert found["8"].cause == "starts on all cores, for its 4 ranks"
    assert found["9"].cause == "waiting for 1 core: 0 of 2 free, 4 used by job 8"


def test_gpu_jobs_take_no_cores() -> None:
    found = decided(job("1", gpus=1, ranks=9), job("2", ranks=2), gpus=(gpu(0),))
    assert starts(found) == {"1": (0,), "2": ()}


# Dependencies


@pytest.mark.parametrize(
    ("after", "state", "start", "give_up", "cause"),
    [
        ("12", "succeeded", (), False, "starts on 1 core"),
        ("12", "restarting", None, False, "after job 12, which is restarting"),
        ("12", "failed", None, True, "job 12, which it comes after, failed"),
        ("12", "stopped", None, True, "job 12, which it comes after, was stopped"),
        ("12:any", "queued", None, False, "after job 12, which is queued"),
        ("12:any", "failed", (), False, "starts on 1 core"),
        ("12:any", "stopped", (), False, "starts on 1 core"),
        ("99", "running", None, True, "job 99, which it comes after, is not known"),
        ("13:any", "queued", None, True, "job 13:any, which it comes after, is not known"),
        ("12:all", "succeeded", None, True, "job 12:all, which it comes after, is not known"),
    ],
)
def test_a_job_comes_after_others(
    after: str, state: JobState, start: tuple[int, ...] | None, give_up: bool, cause: str
) -> None:
    jobs: dict[str, JobState] = {"12": state, "13": "queued"}
    found = decided(job("13", after=(after,)), jobs=jobs)["13"]
    assert found == Decision(job="13", start=start, give_up=give_up, cause=cause)


def test_one_that_failed_is_told_before_one_that_runs_and_before_a_hold() -> None:
    jobs: dict[str, JobState] = {"1": "running", "2": "failed"}
    found = decided(job("3", after=("1", "2"), held=True), jobs=jobs)["3"]
    assert (found.give_up, found.cause) == (True, "job 2, which it comes after, failed")


# Whatever comes

HOLDERS = st.sampled_from([None, None, "held by job 1", "held by pid 8, uid 4", "lost"])
SHARERS = st.sampled_from([(), (), ("Xorg, pid 8, 120 MiB",)])
STATES: st.SearchStrategy[JobState] = st.sampled_from(
    ["queued", "running", "succeeded", "failed", "stopped"]
)


@st.composite
def nodes(draw: st.DrawFn) -> tuple[list[Waiting], list[GpuUse], Cores, dict[str, JobState]]:
    ended = draw(st.dictionaries(st.sampled_from(["1", "2", "3"]), STATES))
    after = st.sampled_from(["1", "2", "3:any", "4"])
    waiting = [
        job(
            str(number),
            gpus=draw(st.integers(0, 4)),
            ranks=draw(st.integers(1, 4)),
            priority=draw(st.integers(0, 2)),
            created=draw(st.integers(0, 2)),
            held=draw(st.integers(0, 4)) == 0,
            after=tuple(draw(st.lists(after, max_size=2))) if draw(st.booleans()) else (),
        )
        for number in range(8, 8 + draw(st.integers(0, 6)))
    ]
    rows = draw(st.lists(st.integers(0, 9), unique=True, max_size=5))
    gpus = [gpu(row, draw(HOLDERS), *draw(SHARERS)) for row in rows]
    used = draw(st.dictionaries(st.sampled_from(["5", "6"]), st.integers(1, 3)))
    queued: dict[str, JobState] = dict.fromkeys((each.job for each in waiting), "queued")
    return waiting, gpus, Cores(draw(st.integers(1, 4)), used), queued | ended


@given(nodes())
def test_every_job_is_decided_with_a_cause_in_one_line(node) -> None:
    waiting, *rest = node
    decisions = plan(waiting, *rest)
    assert sorted(each.job for each in decisions) == sorted(each.job for each in waiting)
    for decision in decisions:
        assert decision.cause
        assert "\n" not in decision.cause
        assert decision.start is None or not decision.give_up


@given(nodes())
def test_a_gpu_is_given_once_and_only_if_it_is_free(node) -> None:
    waiting, gpus, cores, jobs = node
    wanted = {each.job: each.gpus for each in waiting}
    started = starts(decided(*waiting, gpus=tuple(gpus), cores=cores, jobs=jobs))
    given_rows = [row for rows in started.values() for row in rows]
    assert len(given_rows) == len(set(given_rows))
    assert set(given_rows) <= {gpu.row for gpu in gpus if gpu.holder is None}
    assert all(len(rows) == wanted[job] for job, rows in started.items())


@given(nodes())
def test_nobody_is_overtaken_by_one_who_takes_what_he_waits_for(node) -> None:
    waiting, gpus, cores, jobs = node
    found = decided(*waiting, gpus=tuple(gpus), cores=cores, jobs=jobs)
    ahead: dict[bool, str] = {}
    for each in sorted(waiting, key=lambda each: (-each.priority, each.created, int(each.job))):
        kind, decision = each.gpus > 0, found[each.job]
        if decision.start is not None:
            assert kind not in ahead
        elif decision.cause.startswith("wait") and each.gpus <= len(gpus):
            ahead.setdefault(kind, each.job)


@given(nodes())
def test_a_job_waits_only_if_what_it_wants_is_not_there_or_is_kept(node) -> None:
    waiting, gpus, cores, jobs = node
    found = decided(*waiting, gpus=tuple(gpus), cores=cores, jobs=jobs)
    given_rows = {row for rows in starts(found).values() for row in rows}
    free = [gpu for gpu in gpus if gpu.holder is None and gpu.row not in given_rows]
    for each in waiting:
        if each.gpus and found[each.job].cause.startswith("waiting for"):
            assert each.gpus > len(free)


@given(nodes())
def test_cores_are_not_given_twice(node) -> None:
    waiting, gpus, cores, jobs = node
    started = starts(decided(*waiting, gpus=tuple(gpus), cores=cores, jobs=jobs))
    ranks = [each.ranks for each in waiting if each.job in started and not each.gpus]
    if ranks:
        alone = len(ranks) == 1 and not cores.used
        assert alone or sum(ranks) + sum(cores.used.values()) <= cores.present


@given(nodes(), st.randoms(use_true_random=False))
def test_the_order_in_which_it_is_told_does_not_matter(node, random) -> None:
    waiting, gpus, cores, jobs = node
    before = plan(waiting, gpus, cores, jobs)
    random.shuffle(waiting)
    random.shuffle(gpus)
    used = list(cores.used.items())
    random.shuffle(used)
    shuffled = Cores(cores.present, dict(used))
    assert plan(waiting, gpus, shuffled, dict(reversed(jobs.items()))) == before


# What is asked for


def asked(
    ranks: int | None = None,
    gpus: int | None = None,
    launcher: Launcher = "torchrun",
    nodes: int = 1,
    after: list[str] | None = None,
) -> JobRequest:
    return JobRequest(
        kind="command",
        name="x",
        program=Program(arguments=["x.py"], launcher=launcher),
        resources=Resources(ranks=ranks, gpus=gpus, nodes=nodes),
        after=after or [],
    )


@pytest.mark.parametrize(
    ("request_", "present", "ranks", "gpus"),
    [
        (asked(), 0, 1, 0),
        (asked(), 4, 1, 1),
        (asked(ranks=2), 0, 2, 0),
        (asked(ranks=2), 4, 2, 2),
        (asked(gpus=3), 4, 3, 3),
        (asked(gpus=0), 4, 1, 0),
        (asked(ranks=2, gpus=4), 4, 2, 4),
        (asked(gpus=2, launcher="plain"), 4, 1, 2),
        (asked(after=["12", "13:any"]), 4, 1, 1),
    ],
)
def test_ranks_and_gpus_follow_each_other(
    request_: JobRequest, present: int, ranks: int, gpus: int
) -> None:
    refuse_impossible(request_, present)
    assert settled(request_, present) == (ranks, gpus)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (asked(ranks=0), "resources.ranks: expected 1 to"),
        (asked(ranks=10**9), "resources.ranks: expected 1 to"),
        (asked(gpus=-1), "resources.gpus: expected 0 to 4, got -1"),
        (asked(gpus=5, ranks=1), "resources.gpus: expected 0 to 4, got 5: this node has 4"),
        (asked(ranks=5), "resources.gpus: expected 0 to 4, got 5: this node has 4"),
        (asked(nodes=2), "resources.nodes: expected 1, got 2: jobs do not cross hosts yet"),
        (asked(ranks=2, gpus=0, launcher="plain"), "resources.ranks: a program with launcher"),
        (asked(after=["12:all"]), 'after: expected the id of a job or "ID:any", got "12:all"'),
    ],
)
def test_what_can_never_run_is_refused(request_: JobRequest, message: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        refuse_impossible(request_, 4)
    assert str(refused.value).startswith(message)
    assert refused.value.status == 400
