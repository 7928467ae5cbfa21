"""How an attempt ended: what its ranks came to, which failed first, and of what."""

import signal
import time
from typing import Final, Literal, NamedTuple

import msgspec

from ...protocol.jobs import Failure, RankState, TaskOrder
from ..regularfile import read_regular
from . import failures
from .taskfolder import TaskFolder, last_lines
from .words import how_it_ended

FAILURE_LINES: Final = 20

LOST: Final = "the launcher was killed before every rank ran, or nobody saw how they ended"


class ExitNote(msgspec.Struct, frozen=True):
    """What a rank said of its own end."""

    exit_code: int
    time: float
    exception: str | None = None


class Verdict(NamedTuple):
    """The end of an attempt."""

    state: Literal["succeeded", "failed", "stopped"]
    cause: str
    exit_code: int | None = None
    failure: Failure | None = None


def verdict(
    order: TaskOrder,
    folder: TaskFolder,
    ranks: list[RankState],
    *,
    stopped: bool,
    error: str | None,
) -> Verdict:
    """What an attempt came to, whose ranks have all ended.

    `stopped` says whether it was asked to end, `error` why the launcher could not start a rank.
    """
    if stopped:
        return Verdict("stopped", _how_it_stopped(order, ranks))
    if len(ranks) == order.ranks and all(rank.exit_code == 0 for rank in ranks):
        return Verdict("succeeded", "every rank ended with exit code 0", 0)
    failed = [rank for rank in ranks if rank.exit_code]
    if failed:
        first = min(failed, key=lambda rank: _moment(folder, rank))
        failure = _failure_of(folder, first)
        said = failure.exception or (failure.lines or ["it printed nothing"])[-1]
        cause = f"rank {first.rank} {how_it_ended(first.exit_code)}: {said}"
        return Verdict("failed", cause, first.exit_code, failure)
    name = failures.OURS.name if error is None else failures.NOT_STARTED.name
    return Verdict("failed", error or LOST, None, Failure(name=name, time=time.time()))


def exit_note(folder: TaskFolder, rank: int) -> ExitNote | None:
    """What a rank said of its end, None where it could not."""
    try:
        return msgspec.json.decode(read_regular(folder.exit_note(rank)), type=ExitNote)
    except (OSError, ValueError):
        return None


def _moment(folder: TaskFolder, rank: RankState) -> float:
    """When a rank ended; its own word of it is nearer than ours."""
    note = exit_note(folder, rank.rank)
    return note.time if note else rank.ended or time.time()


def _failure_of(folder: TaskFolder, rank: RankState) -> Failure:
    note = exit_note(folder, rank.rank)
    exception = note.exception if note else None
    lines = last_lines(folder.log(rank.rank), FAILURE_LINES)
    if not lines:
        lines = last_lines(folder.shim_log, FAILURE_LINES)
    return Failure(
        name=failures.name_of(rank.exit_code, exception, lines),
        time=_moment(folder, rank),
        rank=rank.rank,
        exit_code=rank.exit_code,
        exception=exception,
        lines=lines,
    )


def _how_it_stopped(order: TaskOrder, ranks: list[RankState]) -> str:
    killed = sum(rank.exit_code == -signal.SIGKILL for rank in ranks)
    if not killed:
        return "stopped as asked"
    return (
        f"stopped; {killed} of {order.ranks} ranks did not end within {order.grace:g} s "
        "and were killed"
    )
