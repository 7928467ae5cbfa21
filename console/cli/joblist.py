"""Jobs as text: a table of many, and all that is known of one."""

import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ...agents.protocol.jobs import ENDED, JobRecord, JobSummary, Progress
from .. import quantities as q
from .printing import clock, cut, printable, table

TITLES: Final = ("JOB", "NAME", "STATE", "STEP", "LOSS", "TIME", "WHY")
RIGHT: Final = (0, 3, 4, 5)
NAME_WIDTH: Final = 20
RUNNING: Final = "running"


def lines(jobs: Iterable[JobSummary]) -> list[str]:
    """A line for each job, under titles."""
    return table(TITLES, [_row(job) for job in jobs], RIGHT)


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
        job.name[:NAME_WIDTH],
        job.state,
        _steps(job.progress) if job.progress.step is not None else "-",
        q.number(job.progress.loss) if job.progress.loss is not None else "-",
        q.duration(seconds(job)) if job.started else "-",
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
        "ranks": str(job.ranks),
        "GPUs": ", ".join(map(str, job.gpus)) or "none",
        "progress": progress(job.progress),
        "restarts": f"job {record.request.source}" if record.request.source else "",
        "folder": printable(record.folder or ""),
    }
    return {name: value for name, value in facts.items() if value}


def _result(value: Any) -> str:
    return q.number(value) if isinstance(value, float) else printable(str(value))
