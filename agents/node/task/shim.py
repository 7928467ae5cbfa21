"""The process that owns a task: `python -m llmos.agents.node.task.shim TASKFOLDER`.

It has the launcher start the ranks, watches both, says in `state.json` what becomes of them, and
ends all that came of them. It depends on nobody: agent, terminal and launcher may go. Where it is
lost itself, the agent starts another for the same task folder, which goes on where this one ended.
"""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final, Literal

from msgspec.structs import replace

from ...errors import LaunchError
from ...protocol.jobs import ENDED, Failure, RankState, TaskOrder, TaskState
from . import descent, descriptors, failures, launcher, locks, mark, newprocess
from .leases import Leases
from .logindex import LogKeeper
from .taskfolder import StateFile, TaskFolder
from .verdict import exit_note, verdict
from .watch import Watch
from .words import RUNNING, asked_to_stop

FAILURE_DELAY: Final = 1.0
"""Seconds that the other ranks have, after the first failed, to print why they fail too."""

LAUNCHER_PATIENCE: Final = 3.0
"""Seconds that the launcher has, once its ranks are dead, to say how they ended and to end."""

LEASES_PATIENCE: Final = 1.0
"""Seconds for another shim of the same task, which has the leases and came too late, to end."""

CLOSING: Final = 0.5
"""Seconds from the last moment of a rank that was killed until that is seen, at most: memory is
given back first. Its peers lose it and say so meanwhile. Less than FAILURE_DELAY."""

UNKNOWN_AFTER: Final = 0.5
"""Seconds after which it counts as unknown how a rank without a launcher ended."""

LAST_WORDS: Final = 60.0
"""Seconds to try to write the last state on a disk that takes nothing."""


class Shim:
    """One task, from its order to its end."""

    def __init__(self, folder: TaskFolder, start: launcher.StartRank = launcher.spawn) -> None:
        self._folder = folder
        self._start = start
        self._file = StateFile(folder)
        self._saved = True
        self._stop_asked = False
        self._stopping = False
        self._told: set[int] = set()
        """Pids of the ranks that were told to stop."""

        self._failed_at: float | None = None
        self._deadline: float | None = None
        """When what still runs is killed, by the monotonic clock."""

        self._killed_at: float | None = None
        self._successor = False
        """Whether another shim owned the task before, below which its processes began."""

    def run(self) -> None:
        """Own the task until nothing of it is left; nothing where it has an owner or has ended."""
        self._lock = os.open(
            self._folder.shim_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode=0o600
        )
        if not locks.lock_alone(self._lock):
            return
        before = self._folder.read_state()
        if before is not None and before.state in ENDED:
            return
        self._successor = before is not None
        self._state = _own_state(before)
        self._logs = LogKeeper(self._folder)
        self._watch = Watch(self._folder, self._state.ranks)
        self._take_signals()
        self._save()
        order = self._folder.read_order()
        if order is None:
            self._end("failed", f"{self._folder.order} cannot be read")
            return
        if self._state.boot != descent.boot_id():
            self._fail_as_ours("the host was booted again while it ran")
            return
        try:
            self._begin(order)
        except LaunchError as error:
            self._end_the_rest()
            self._fail_as_ours(str(error))
            return
        while not self._watch.over:
            self._step(order)
        self._end_the_rest()
        for rank in self._state.ranks:
            rank.ended = rank.ended or time.time()
        self._logs.keep()
        self._conclude(order)

    def give_up(self, error: Exception) -> None:
        """A fault of the shim's own: leave neither processes nor a state that says they run."""
        self._end_the_rest()
        self._end("failed", f"the shim itself failed: {error!r}; {self._folder.shim_log} says more")

    def _take_signals(self) -> None:
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        # Blocked by who started us, until there is a handler.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

    def _ask_to_stop(self, *_: object) -> None:
        self._stop_asked = True

    def _begin(self, order: TaskOrder) -> None:
        """Start the launcher, or find the one that another shim started."""
        self._stop_asked = self._stop_asked or self._folder.stop.exists()
        self._remember(order)
        self._watch.hear_all()
        if not self._watch.has_launcher() and not self._state.ranks:
            if self._successor:
                # A launcher that was lost before anybody noted its ranks: they have the GPUs.
                mark.kill_marked(self._folder.path)
            leases = self._leases(order)
            self._watch.hear_from(*launcher.fork(order, self._folder, leases, self._start))

    def _leases(self, order: TaskOrder) -> list[int]:
        """The GPUs' leases: inherited, or taken anew where a shim before this one took them along.

        Raises LaunchError where another was quicker.
        """
        inherited = descriptors.below(Leases().folder)
        if inherited or not order.gpus:
            return inherited
        until = time.monotonic() + LEASES_PATIENCE
        while (lease := Leases().take(order.gpus, order.job)) is None:
            time.sleep(0.05)
            if time.monotonic() < until:
                continue
            raise LaunchError("its shim was lost, and another job was quicker to take its GPUs")
        return lease.descriptors

    def _remember(self, order: TaskOrder) -> None:
        """What a shim before this one had noted and not come to act on."""
        if self._state.cause == asked_to_stop(order.grace):
            # It asked the ranks: what they end with now is no failure, and their time runs.
            self._stop_asked = self._stopping = True
            self._told = {rank.pid for rank in self._state.ranks}
            self._set_deadline(self._folder.ask_to_stop(), order.grace)
        self._note_failure()

    def _step(self, order: TaskOrder) -> None:
        self._watch.wait(self._longest_wait(order))
        self._note_failure()
        self._look_for_the_lost(order)
        self._obey(order)
        self._keep_deadline()
        self._tell_that_it_runs()
        if self._watch.news() or not self._saved:
            self._save()

    def _longest_wait(self, order: TaskOrder) -> float:
        if self._stop_asked and not self._stopping and self._failed_at is None:
            return 0.0
        times = [self._logs.keep()]
        if (unheard := self._watch.longest_wait(order.ranks)) is not None:
            times.append(unheard)
        if not self._saved:
            times.append(1.0)
        if self._deadline is not None:
            times.append(max(0.0, self._deadline - time.monotonic()))
        return min(times)

    def _tell_that_it_runs(self) -> None:
        if self._state.state == "starting" and self._state.ranks and not self._stopping:
            self._state.state, self._state.cause = "running", RUNNING

    def _note_failure(self) -> None:
        """Give the others their time, once the first rank has failed of itself."""
        failed_at = self._watch.first_failure()
        if failed_at is not None and self._failed_at is None and not self._stopping:
            self._failed_at = failed_at
            self._set_deadline(failed_at, FAILURE_DELAY)

    def _set_deadline(self, since: float, seconds: float) -> None:
        """Kill what still runs so many seconds after a moment, which a shim before us may have
        seen: whoever follows gives no more time than it had."""
        left = since + seconds - time.time()
        self._deadline = time.monotonic() + max(0.0, min(left, seconds))

    def _look_for_the_lost(self, order: TaskOrder) -> None:
        """Without a launcher nobody may say how a rank ended, and no further rank will start."""
        missing = len(self._state.ranks) < order.ranks
        if missing:
            self._watch.wake_launcher()
        if not self._watch.launcher_lost:
            runs = self._watch.launcher_runs
            if runs and not missing and not self._watch.alive and self._deadline is None:
                self._watch.wake_launcher()
                self._deadline = time.monotonic() + LAUNCHER_PATIENCE  # it should end by itself
            return
        self._watch.read_notes()
        self._note_failure()
        unknown = self._watch.unknown_since()
        lost = unknown is not None and time.time() - unknown > UNKNOWN_AFTER
        if self._deadline is None and (missing or lost):
            self._deadline = time.monotonic()

    # Ends

    def _obey(self, order: TaskOrder) -> None:
        """Stop, if asked to and not yet ending: the ranks may end by themselves for a while."""
        if not self._stop_asked or self._failed_at is not None:
            return
        if not self._stopping:
            self._stopping = True
            self._set_deadline(self._folder.ask_to_stop(), order.grace)
            self._state.cause = asked_to_stop(order.grace)
            self._save()  # first: a shim that follows must not take what comes of it for a failure
        for rank in self._watch.alive:
            if rank.pid not in self._told:
                self._told.add(rank.pid)
                descent.send(descent.Process(rank.pid, rank.ticks), signal.SIGTERM)

    def _keep_deadline(self) -> None:
        if self._deadline is None or time.monotonic() < self._deadline:
            return
        spare = self._watch.launcher if self._killed_at is None else None
        self._killed_at = self._killed_at or time.time()
        self._say_who_stays(self._kill(spare))
        self._deadline = time.monotonic() + LAUNCHER_PATIENCE

    def _kill(self, spare: descent.Process | None = None) -> list[descent.Status]:
        """Kill what is left of the task, whoever is its parent; what does not end."""
        left = descent.kill_below(os.getpid(), [spare.pid] if spare else ())
        orphans = [descent.Process(rank.pid, rank.ticks) for rank in self._watch.alive]
        for process in (self._watch.launcher, *orphans):
            if process is None or not descent.living(process):
                continue
            # Below another parent, after a shim before this one: what comes of it goes first.
            left += descent.kill_below(process.pid)
            if process != spare:
                descent.send(process, signal.SIGKILL)
        if self._successor:
            left += mark.kill_marked(self._folder.path, [spare.pid] if spare else ())
        return left

    def _end_the_rest(self) -> None:
        """Whoever outlives the launcher is killed; a task has ended when nothing of it is left."""
        while left := self._kill():
            self._watch.reap()
            self._say_who_stays(left)
        self._watch.reap()

    def _say_who_stays(self, left: list[descent.Status]) -> None:
        """A process in the hands of a driver cannot be killed; the task is not over before it."""
        if not left:
            return
        cause = f"killed; pid {left[0].process.pid} does not end (state {left[0].state})"
        if cause != self._state.cause:
            self._state.cause = cause
            self._save()

    def _conclude(self, order: TaskOrder) -> None:
        self._watch.hear_all()
        self._watch.read_notes()
        state = self._state
        ranks = state.ranks if self._stopping else [self._judged(rank) for rank in state.ranks]
        end = verdict(order, self._folder, ranks, stopped=self._stopping, error=self._watch.error)
        state.exit_code, state.failure = end.exit_code, end.failure
        self._end(end.state, end.cause)

    def _judged(self, rank: RankState) -> RankState:
        """A rank as the verdict is to see it: what this shim killed has not failed of that."""
        if rank.exit_code != -signal.SIGKILL or rank.ended is None:
            return rank
        note = exit_note(self._folder, rank.rank)
        if self._killed_at is not None and rank.ended >= self._killed_at:
            return replace(rank, exit_code=note.exit_code if note else None)
        return rank if note else replace(rank, ended=rank.ended - CLOSING)

    # What the shim says

    def _fail_as_ours(self, cause: str) -> None:
        """The attempt was lost by llmos itself, not by its ranks."""
        self._state.failure = Failure(name=failures.OURS.name, time=time.time())
        self._end("failed", cause)

    def _end(self, state: Literal["succeeded", "failed", "stopped"], cause: str) -> None:
        self._state.state = state
        self._state.cause = cause
        self._save()
        until = time.monotonic() + LAST_WORDS
        while not self._saved and time.monotonic() < until:
            time.sleep(0.5)
            self._save()
        self._folder.drop_reserves()

    def _save(self) -> None:
        self._state.time = time.time()
        try:
            self._file.write(self._state)
        except OSError as error:
            if self._saved:
                _print(f"cannot write {self._folder.state}: {error.strerror}; tried again")
            self._saved = False
        else:
            self._saved = True


def own(folder: TaskFolder, start: launcher.StartRank = launcher.spawn) -> None:
    """Become the owner of a task: a session of one's own, the parent of every orphan below."""
    with contextlib.suppress(PermissionError):
        os.setsid()
    newprocess.become_subreaper()
    newprocess.name_process("llmos-shim")
    shim = Shim(folder, start)
    try:
        shim.run()
    except Exception as error:
        shim.give_up(error)
        raise


def _own_state(before: TaskState | None) -> TaskState:
    myself = descent.itself()
    if before is None:
        return TaskState(
            state="starting",
            cause="starting",
            time=time.time(),
            shim=myself.pid,
            shim_ticks=myself.ticks,
            boot=descent.boot_id(),
        )
    before.shim, before.shim_ticks = myself.pid, myself.ticks
    return before


def _print(text: str) -> None:
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    own(TaskFolder(Path(sys.argv[1])))
