"""What the folders of jobs know of them, for an agent that starts and finds them.

run/JOB/request.json    what was asked for, whole: it holds the job's secrets
run/JOB/aN/             the task folder of attempt N
"""

import contextlib
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from ...errors import StateFolderError
from ...protocol.jobs import ENDED, AttemptRecord, JobRequest, JobSummary, TaskOrder
from ..task.taskfolder import TaskFolder

_REQUEST = "request.json"
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


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, by whom and when."""

    user: str
    created: float
    ranks: int
    gpus: int
    request: JobRequest


def keep_request(run: Path, summary: JobSummary, request: JobRequest, gpus: int) -> None:
    """Keep what was asked for beside the attempts to come. Raises StateFolderError."""
    kept = Kept(
        user=summary.user,
        created=summary.created,
        ranks=summary.ranks,
        gpus=gpus,
        request=request,
    )
    path = run / summary.id / _REQUEST
    fresh = path.with_suffix(".new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(kept)) + b"\n")
        fresh.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
            path.parent.rmdir()
        raise StateFolderError(
            f"cannot write the job's folder {path.parent}: {error.strerror}; "
            "free space or name another state folder with --state DIR"
        ) from error


def drop_request(run: Path, job: str) -> None:
    """Take back what `keep_request` wrote, of a job that was not taken."""
    with contextlib.suppress(OSError):
        (run / job / _REQUEST).unlink(missing_ok=True)
        (run / job).rmdir()


def kept_request(run: Path, job: str) -> Kept | None:
    """What was asked for, None where that cannot be read."""
    try:
        return msgspec.json.decode((run / job / _REQUEST).read_bytes(), type=Kept)
    except (OSError, ValueError):
        return None


def found_jobs(
    run: Path, known: Collection[str], node: str
) -> Iterator[tuple[JobRequest, JobSummary]]:
    """The jobs on disk that the records do not know."""
    for number in jobs_on_disk(run):
        job = str(number)
        if job in known:
            continue
        order, kept = newest_order(run, job), kept_request(run, job)
        if order is not None:
            yield order.request, summary_of(order, node)
        elif kept is not None:
            yield kept.request, _never_started(job, kept, node)


def attempts_of(run: Path, job: str) -> list[AttemptRecord]:
    """The attempts of a job that have said something, oldest first."""
    found = []
    for number in _attempts(run, job):
        state = task_folder(run, job, number).read_state()
        if state is None:
            continue
        started = min((rank.started for rank in state.ranks), default=None)
        found.append(
            AttemptRecord(
                attempt=number,
                state=state.state,
                cause=state.cause,
                started=started,
                ended=state.time if state.state in ENDED else None,
                failure=state.failure,
            )
        )
    return found


def newest_order(run: Path, job: str) -> TaskOrder | None:
    """The order of a job's newest attempt, None where there is none that can be read."""
    for number in reversed(_attempts(run, job)):
        order = task_folder(run, job, number).read_order()
        if order is not None and order.job == job:
            return order
    return None


def summary_of(order: TaskOrder, node: str) -> JobSummary:
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
        ranks=order.ranks,
        priority=order.request.resources.priority,
        array=order.request.array,
    )


def _never_started(job: str, kept: Kept, node: str) -> JobSummary:
    return JobSummary(
        id=job,
        name=kept.request.name,
        kind=kept.request.kind,
        state="queued",
        cause="found in its folder",
        user=kept.user,
        created=kept.created,
        nodes=[node],
        ranks=kept.ranks,
        priority=kept.request.resources.priority,
        held=kept.request.hold,
        after=kept.request.after,
        array=kept.request.array,
    )


def _attempts(run: Path, job: str) -> list[int]:
    try:
        names = os.listdir(run / job)
    except OSError:
        return []
    return sorted(int(match[1]) for name in names if (match := _ATTEMPT.fullmatch(name)))
