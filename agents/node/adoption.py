"""What the task folders know of jobs, for an agent that starts and finds them."""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from ..protocol.jobs import JobSummary, TaskOrder
from .taskfolder import TaskFolder

_ATTEMPT = re.compile(r"a([1-9][0-9]{0,8})")


def task_folder(run: Path, job: str, attempt: int) -> TaskFolder:
    """The task folder of an attempt below the folder of all."""
    return TaskFolder(run / job / f"a{attempt}")


def jobs_on_disk(run: Path) -> list[int]:
    """The ids of the jobs that have a folder, in order."""
    try:
        names = [path.name for path in run.iterdir()]
    except OSError:
        return []
    return sorted(int(name) for name in names if name.isdecimal() and len(name) < 16)


def unrecorded(run: Path, known: Collection[str]) -> Iterator[TaskOrder]:
    """The newest order of each job on disk that the records do not know."""
    for number in jobs_on_disk(run):
        order = None if str(number) in known else newest_order(run, str(number))
        if order is not None:
            yield order


def newest_order(run: Path, job: str) -> TaskOrder | None:
    """The order of a job's newest attempt, None where there is none that can be read."""
    try:
        attempts = [_ATTEMPT.fullmatch(path.name) for path in (run / job).iterdir()]
    except OSError:
        return None
    for number in sorted((int(match[1]) for match in attempts if match), reverse=True):
        order = task_folder(run, job, number).read_order()
        if order is not None and order.job == job:
            return order
    return None


def summary_of(order: TaskOrder, node: str, gpus: Sequence[str]) -> JobSummary:
    """A summary as the order alone gives it; what became of the task, its state file says."""
    return JobSummary(
        id=order.job,
        name=order.request.name,
        kind=order.request.kind,
        state="starting",
        cause="found in its task folder",
        user=order.user,
        created=order.created,
        attempt=order.attempt,
        nodes=[node],
        gpus=[row for row, uuid in enumerate(gpus) if uuid in order.gpus],
        ranks=order.ranks,
    )
