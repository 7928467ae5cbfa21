"""How many ranks and which GPUs a job gets."""

from collections import Counter

import pytest

from llmos.agents.errors import RequestRefused
from llmos.agents.node.leases import grant
from llmos.agents.protocol.jobs import JobRequest, Launcher, Program, Resources

GPUS = ("GPU-a", "GPU-b", "GPU-c", "GPU-d")


def asked(
    ranks: int | None = None,
    gpus: int | None = None,
    launcher: Launcher = "torchrun",
    nodes: int = 1,
) -> JobRequest:
    return JobRequest(
        kind="command",
        name="x",
        program=Program(arguments=["x.py"], launcher=launcher),
        resources=Resources(ranks=ranks, gpus=gpus, nodes=nodes),
    )


@pytest.mark.parametrize(
    ("request_", "present", "ranks", "rows"),
    [
        (asked(), (), 1, []),
        (asked(), GPUS, 1, [0]),
        (asked(ranks=2), (), 2, []),
        (asked(ranks=2), GPUS, 2, [0, 1]),
        (asked(gpus=3), GPUS, 3, [0, 1, 2]),
        (asked(gpus=0), GPUS, 1, []),
        (asked(ranks=2, gpus=4), GPUS, 2, [0, 1, 2, 3]),
        (asked(gpus=2, launcher="plain"), GPUS, 1, [0, 1]),
    ],
)
def test_ranks_and_gpus_follow_each_other(request_, present, ranks, rows):
    granted = grant(request_, present, Counter())
    assert (granted.ranks, granted.rows) == (ranks, rows)
    assert granted.uuids == [present[row] for row in rows]


def test_gpus_that_fewest_jobs_hold_come_first():
    assert grant(asked(gpus=2), GPUS, Counter({0: 1, 2: 1})).rows == [1, 3]


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
    ],
)
def test_what_can_never_run_is_refused(request_, message):
    with pytest.raises(RequestRefused) as refused:
        grant(request_, GPUS, Counter())
    assert str(refused.value).startswith(message)
    assert refused.value.status == 400
