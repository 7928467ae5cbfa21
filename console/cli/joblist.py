"""Jobs as text: a table of many, and all that is known of one."""

import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ...agents.node.task.failures import named
from ...agents.protocol.jobs import (
    ENDED,
    AttemptRecord,
    Failure,
    JobRecord,
    JobRequest,
    JobSummary,
    Progress,
    Retry,
)
from .. import quantities as q
from .printing import clock, cut, printable, table

TITLES: Final = ("JOB", "NAME", "STATE", "PRIO", "STEP", "LOSS", "TIME", "WHY")
RIGHT: Final = (0, 3, 4, 5, 6)
ABSENT: Final = "-"
NAME_WIDTH: Final = 28
RUNNING: Final = "running"
HELD: Final = "held"
"""Shown instead of "queued"."""


def lines(jobs: Iterable[JobSummary]) -> list[str]:
    """A line for each job, under titles; a column that says nothing of any job is left out."""
    rows = [_row(job) for job in jobs]
    shown = [at for at in range(len(TITLES)) if any(row[at] != ABSENT for row in rows)]
    cells = [[row[at] for at in shown] for row in (TITLES, *rows)]
    return table(cells[0], cells[1:], [shown.index(at) for at in RIGHT if at in shown])


def progress(said: Progress) -> str:
    """How far a job is, as "step 120/500  loss 3.214  12.4k tokens/s"."""
    parts = []
    if said.step is not None:
        parts.append(f"step {_steps(said)}")
    if said.loss is not None:
        parts.append(f"loss {q.number(said.loss)}")
    if said.tokens_per_second is not None:
        parts.append(f"{q.count(said.tokens_per_second)} tokens/s")
    if said.phase:
        parts.append(printable(said.phase))
    return "  ".join(parts)


def whole(record: JobRecord) -> Iterator[str]:
    """All that is known of one job."""
    for name, value in _facts(record).items():
        yield f"{name:<10}{value}"
    yield from outcome(record)
    yield from _attempts(record.attempts)
    yield ""
    for change in record.transitions:
        yield cut(f"{clock(change.time)}  {change.state:<11}{printable(change.cause)}")


def outcome(record: JobRecord) -> Iterator[str]:
    """What came of a job: its results, and where lies what it made."""
    if record.results:
        yield "results"
        size = max(map(len, record.results))
        for name, value in record.results.items():
            yield f"  {printable(name):<{size}}  {_result(value)}"
    for name, path in record.artifacts.items():
        yield f"{printable(name)}: {printable(path)}"


def seconds(job: JobSummary) -> float | None:
    """How long a job ran, or has been running."""
    if job.started is None:
        return None
    return (job.ended or time.time()) - job.started


def _row(job: JobSummary) -> tuple[str, ...]:
    return (
        job.id,
        cut(job.name, NAME_WIDTH),
        HELD if job.held and job.state == "queued" else job.state,
        str(job.priority) if job.priority else ABSENT,
        _steps(job.progress) if job.progress.step is not None else ABSENT,
        q.number(job.progress.loss) if job.progress.loss is not None else ABSENT,
        q.duration(seconds(job)) if job.started else ABSENT,
        job.progress.phase or job.cause if job.state == RUNNING else job.cause,
    )


def _steps(said: Progress) -> str:
    return f"{said.step}/{said.steps}" if said.steps else str(said.step)


def _facts(record: JobRecord) -> dict[str, str]:
    job = record.summary
    facts = {
        "job": job.id,
        "name": printable(job.name),
        "kind": job.kind,
        "state": job.state,
        "why": printable(job.cause),
        "user": printable(job.user),
        "submitted": clock(job.created),
        "started": clock(job.started) if job.started else "",
        "ran" if job.state in ENDED else "running": q.duration(seconds(job)) if job.started else "",
        "attempt": str(job.attempt),
        "retry": _retry(record.request.retry),
        "priority": str(job.priority) if job.priority else "",
        "held": "until `llmos release` lets it start" if job.held else "",
        "after": ", ".join(job.after),
        "array": printable(job.array or ""),
        "ranks": str(job.ranks),
        "GPUs": ", ".join(map(str, job.gpus)) or "none",
        **_world(record.request),
        "progress": progress(job.progress),
        "restarts": f"job {record.request.source}" if record.request.source else "",
        "folder": printable(record.folder or ""),
    }
    return {name: value for name, value in facts.items() if value}


def _world(request: JobRequest) -> dict[str, str]:
    """What a program runs in: what its spec says of it, and what was found there.

    Its variables are the submitter's, and not for others to see.
    """
    program = request.program
    said = request.spec.get("environment")
    table = said if isinstance(said, dict) else {}
    facts = {name: _setting(value) for name, value in table.items() if value}
    found = {"python": program.python, "torch": program.torch}
    return facts | {name: printable(text) for name, text in found.items() if text}


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return printable(" ".join(f"{name}={text}" for name, text in value.items()))
    return printable(" ".join(map(str, value)) if isinstance(value, list) else str(value))


def _retry(retry: Retry) -> str:
    if retry.max_attempts == 1:
        return ""
    return (
        f"up to {retry.max_attempts} attempts within {q.duration(retry.window)}, "
        f"{q.duration(retry.backoff)} before the second"
    )


def _attempts(attempts: list[AttemptRecord]) -> Iterator[str]:
    """What became of each attempt, where that is more than the job's own state says."""
    if len(attempts) < 2 and not any(attempt.failure for attempt in attempts):
        return
    yield "attempts"
    for attempt in attempts:
        ran = ""
        if attempt.started is not None and attempt.ended is not None:
            ran = f" after {q.duration(attempt.ended - attempt.started)}"
        why = attempt.cause if attempt.failure is None else _failed_of(attempt.failure)
        began = clock(attempt.started)
        yield cut(f"  {attempt.attempt}  {began}  {attempt.state}{ran}: {printable(why)}")
        if attempt.failure is not None:
            if attempt.failure.exception:
                yield cut(f"       {printable(' '.join(attempt.failure.exception.split()))}")
            yield cut(f"       {named(attempt.failure.name).advice}")


def _failed_of(failure: Failure) -> str:
    parts = [failure.name if failure.rank is None else f"{failure.name} on rank {failure.rank}"]
    if failure.exit_code is not None:
        parts.append(f"exit code {failure.exit_code}")
    return ", ".join(parts)


def _result(value: Any) -> str:
    return q.number(value) if isinstance(value, float) else printable(str(value))
