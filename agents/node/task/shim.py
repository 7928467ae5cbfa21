"""The process that owns a task: `python -m llmos.agents.node.task.shim TASKFOLDER`.

It has the launcher start the ranks, watches both, says in `state.json` what becomes of them, and
ends all that came of them. It depends on nobody: agent, terminal and launcher may go. Where it is
lost itself, the agent starts another for the same task folder, which goes on where this one ended.
"""

import contextlib
import fcntl
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Final, Literal

from msgspec.structs import replace

from ...errors import LaunchError
from ...protocol.jobs import Failure, RankState, TaskOrder, TaskState
from . import descent, descriptors, failures, launcher
from .launcher import Said
from .leases import Leases
from .logindex import LogKeeper
from .taskfolder import StateFile, TaskFolder
from .verdict import exit_note, verdict
from .words import RUNNING, asked_to_stop

FAILURE_DELAY: Final = 1.0
"""Seconds that the other ranks have, after the first failed, to print why they fail too."""

LAUNCHER_PATIENCE: Final = 3.0
"""Seconds that the launcher has, once its ranks are dead, to say how they ended and to end."""

WITHOUT_PIPE: Final = 0.1
"""Seconds between looks at what a launcher says that another shim started."""

LEASES_PATIENCE: Final = 1.0
"""Seconds for another shim of the same task, which has the leases and came too late, to end."""

CLOSING: Final = 0.5
"""Seconds from the last moment of a rank that was killed until that is seen, at most: memory is
given back first. Its peers lose it and say so meanwhile. Less than FAILURE_DELAY."""

UNKNOWN_AFTER: Final = 0.5
"""Seconds after which it counts as unknown how a rank without a launcher ended."""

LAST_WORDS: Final = 60.0
"""Seconds to try to write the last state on a disk that takes nothing."""

_ENDED: Final = frozenset({"succeeded", "failed", "stopped"})


class Shim:
    """One task, from its order to its end."""

    def __init__(self, folder: TaskFolder, start: launcher.StartRank = launcher.spawn) -> None:
        self._folder = folder
        self._start = start
        self._file = StateFile(folder)
        self._saved = True
        self._poll = select.poll()
        self._alive: dict[int, RankState] = {}
        """Ranks that run, by pidfd."""

        self._launcher: descent.Process | None = None
        self._launcher_watch: int | None = None
        """The launcher's pidfd, None where it does not run or is not known yet."""

        self._pipe: int | None = None
        self._heard = b""
        self._error: str | None = None
        self._stop_asked = False
        self._stopping = False
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
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        before = self._folder.read_state()
        if before is not None and before.state in _ENDED:
            return
        self._successor = before is not None
        self._said_before = before.time if before else 0.0
        self._state = _own_state(before)
        self._logs = LogKeeper(self._folder)
        self._listen()
        self._save()
        order = self._folder.read_order()
        if order is None:
            self._end("failed", f"{self._folder.order} cannot be read")
            return
        if self._state.boot != descent.boot_id():
            self._state.failure = Failure(name=failures.OURS.name, time=time.time())
            self._end("failed", "the host was booted again while it ran")
            return
        try:
            self._begin(order)
        except LaunchError as error:
            self._state.failure = Failure(name=failures.OURS.name, time=time.time())
            self._end("failed", str(error))
            return
        while not self._over():
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

    def _begin(self, order: TaskOrder) -> None:
        """Start the launcher, or find the one that another shim started."""
        self._stop_asked = self._stop_asked or self._folder.stop.exists()
        self._remember(order)
        self._hear_file()
        if self._launcher is None and not launcher.lives(self._folder):
            _, self._pipe = launcher.fork(order, self._folder, self._leases(order), self._start)
            self._poll.register(self._pipe, select.POLLIN)

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
        failed = [rank.ended or 0.0 for rank in self._state.ranks if rank.exit_code]
        if self._state.cause == asked_to_stop(order.grace):
            # It asked the ranks: what they end with now is no failure, and their time runs.
            self._stop_asked = self._stopping = True
            left = self._said_before + order.grace - time.time()
            self._deadline = time.monotonic() + max(0.0, min(left, order.grace))
        elif failed:
            self._failed_at = min(failed)
            self._deadline = time.monotonic() + FAILURE_DELAY

    def _step(self, order: TaskOrder) -> None:
        ready = self._wait(order)
        self._hear()
        self._reap()
        self._look_at(ready)
        self._look_for_the_lost(order)
        self._obey(order)
        self._keep_deadline(order)
        if not self._saved:
            self._save()

    def _over(self) -> bool:
        """Whether the launcher is gone, and with it each rank that it said."""
        if self._launcher_watch is not None or self._alive:
            return False
        if self._launcher is None:
            return self._pipe is None and not launcher.lives(self._folder)
        return True

    # What is told to the shim

    def _listen(self) -> None:
        """Signals end the wait. Handlers, since ignored signals would stay so in the ranks."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self._wakeup = reader
        self._poll.register(reader, select.POLLIN)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        # Blocked by who started us, until there is a handler.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

    def _ask_to_stop(self, *_: object) -> None:
        self._stop_asked = True

    def _wait(self, order: TaskOrder) -> list[int]:
        """The descriptors that have something to say."""
        ready = [descriptor for descriptor, _ in self._poll.poll(self._timeout(order))]
        if self._wakeup in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakeup, 4096)
        return ready

    def _timeout(self, order: TaskOrder) -> float:
        """Milliseconds to wait at most."""
        if self._stop_asked and not self._stopping and self._failed_at is None:
            return 0
        times = [self._logs.keep()]
        if self._pipe is None and (len(self._state.ranks) < order.ranks or self._codes_missing()):
            times.append(WITHOUT_PIPE)
        if not self._saved:
            times.append(1.0)
        if self._deadline is not None:
            times.append(max(0.0, self._deadline - time.monotonic()))
        return min(times) * 1000 + 1

    def _codes_missing(self) -> bool:
        return any(rank.ended and rank.exit_code is None for rank in self._state.ranks)

    # What the launcher says

    def _hear(self) -> None:
        if self._pipe is None:
            self._hear_file()
            return
        try:
            text = os.read(self._pipe, 2**16)
        except BlockingIOError:
            return
        if not text:
            self._poll.unregister(self._pipe)
            os.close(self._pipe)
            self._pipe = None
            return
        *lines, rest = (self._heard + text).split(b"\n")
        self._heard = rest
        self._take(b"".join(line + b"\n" for line in lines))

    def _hear_file(self) -> None:
        """All of it, each time: what was heard already changes nothing."""
        if self._launcher is None or self._launcher_watch is not None or self._codes_missing():
            self._take(launcher.lines_of(self._folder))

    def _take(self, text: bytes) -> None:
        changed = False
        for said in launcher.said_in(text):
            changed |= self._take_line(said)
        if changed:
            self._save()

    def _take_line(self, said: Said) -> bool:
        """Whether a line says something new."""
        if said.what == "launcher" and self._launcher is None:
            self._launcher = descent.Process(said.pid, said.ticks)
            self._launcher_watch = descent.open_process(self._launcher)
            if self._launcher_watch is not None:
                self._poll.register(self._launcher_watch, select.POLLIN)
            return False
        if said.what == "rank":
            return self._meet(said)
        if said.what == "exit":
            return self._note_end(self._rank(said.rank), said.code, said.time)
        if said.what == "error":
            self._error = said.text
        return False

    def _meet(self, said: Said) -> bool:
        """Watch a rank."""
        known = self._rank(said.rank)
        if known is None:
            known = RankState(rank=said.rank, pid=said.pid, ticks=said.ticks, started=said.time)
            self._state.ranks.append(known)
        elif known.ended or any(known is alive for alive in self._alive.values()):
            return False
        process = descent.Process(known.pid, known.ticks)
        watch = descent.open_process(process)
        if watch is None:
            known.ended = time.time()
        else:
            self._alive[watch] = known
            self._poll.register(watch, select.POLLIN)
        if self._stopping:
            descent.send(process, signal.SIGTERM)
        elif self._state.state == "starting":
            self._state.state, self._state.cause = "running", RUNNING
        return True

    def _rank(self, number: int) -> RankState | None:
        return next((rank for rank in self._state.ranks if rank.rank == number), None)

    # What becomes of launcher and ranks

    def _look_at(self, ready: list[int]) -> None:
        """Whose pidfd is ready has ended."""
        changed = False
        for descriptor in ready:
            rank = self._alive.get(descriptor)
            if rank is not None:
                # The launcher may not yet have asked: then how it ended stands in /proc.
                found = descent.status(rank.pid)
                same = found is not None and found.process.ticks == rank.ticks
                code = found.exit_code if found and same else launcher.exit_code(descriptor)
                self._forget(descriptor)
                del self._alive[descriptor]
                self._note_end(rank, code, time.time())
                changed = True
            elif descriptor == self._launcher_watch:
                self._forget(descriptor)
                self._launcher_watch = None
                self._hear_to_the_end()
        if changed:
            self._save()

    def _look_for_the_lost(self, order: TaskOrder) -> None:
        """Without a launcher nobody may say how a rank ended, and no further rank will start."""
        if self._launcher is None:
            return
        missing = len(self._state.ranks) < order.ranks
        if self._launcher_watch is not None:
            if missing:
                launcher.wake(self._launcher)
            if not missing and not self._alive and self._deadline is None and self._launcher:
                descent.send(self._launcher, signal.SIGCONT)
                self._deadline = time.monotonic() + LAUNCHER_PATIENCE  # it should end by itself
            return
        self._complete_from_notes()
        unknown = [rank for rank in self._state.ranks if rank.ended and rank.exit_code is None]
        if self._deadline is None and (
            missing or any(time.time() - (rank.ended or 0.0) > UNKNOWN_AFTER for rank in unknown)
        ):
            self._deadline = time.monotonic()

    def _hear_to_the_end(self) -> None:
        """What the launcher said before it ended."""
        while self._pipe is not None:
            before = self._pipe
            self._hear()
            if self._pipe == before and not select.select([before], [], [], 0)[0]:
                break
        self._take(launcher.lines_of(self._folder))

    def _forget(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        os.close(descriptor)

    def _note_end(self, rank: RankState | None, code: int | None, moment: float) -> bool:
        """A rank has ended, so far as it is known how; whether that is news.

        Of several who tell it, the earliest was the nearest: which rank failed first rests on that.
        """
        if rank is None:
            return False
        before = rank.ended, rank.exit_code
        rank.ended = moment if rank.ended is None else min(rank.ended, moment)
        rank.exit_code = code if rank.exit_code is None else rank.exit_code
        if before == (rank.ended, rank.exit_code):
            return False
        if rank.exit_code and self._failed_at is None and not self._stopping:
            self._failed_at = rank.ended
            self._deadline = time.monotonic() + FAILURE_DELAY
        return True

    def _reap(self) -> None:
        """Ask every child that ended how: the launcher, and orphans that became ours."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            for rank in self._state.ranks:
                if rank.pid == pid and rank.exit_code is None:
                    self._note_end(rank, code, time.time())

    # Ends

    def _obey(self, order: TaskOrder) -> None:
        """Stop, if asked to and not yet ending: the ranks may end by themselves for a while."""
        if not self._stop_asked or self._stopping or self._failed_at is not None:
            return
        self._stopping = True
        self._deadline = time.monotonic() + order.grace
        self._state.cause = asked_to_stop(order.grace)
        self._save()  # first: a shim that follows must not take what comes of it for a failure
        for rank in self._alive.values():
            descent.send(descent.Process(rank.pid, rank.ticks), signal.SIGTERM)

    def _keep_deadline(self, order: TaskOrder) -> None:
        if self._deadline is None or time.monotonic() < self._deadline:
            return
        spare = self._launcher if self._killed_at is None else None
        self._killed_at = self._killed_at or time.time()
        self._say_who_stays(self._kill(spare))
        self._deadline = time.monotonic() + LAUNCHER_PATIENCE

    def _kill(self, spare: descent.Process | None = None) -> list[descent.Status]:
        """Kill what is left of the task, whoever is its parent; what does not end."""
        left = descent.kill_below(os.getpid(), [spare.pid] if spare else ())
        orphans = [descent.Process(rank.pid, rank.ticks) for rank in self._alive.values()]
        for process in (self._launcher, *orphans):
            if process is None or not descent.living(process):
                continue
            # Below another parent, after a shim before this one: what comes of it goes first.
            left += descent.kill_below(process.pid)
            if process != spare:
                descent.send(process, signal.SIGKILL)
        if self._successor:
            left += launcher.kill_marked(self._folder, [spare.pid] if spare else ())
        return left

    def _end_the_rest(self) -> None:
        """Whoever outlives the launcher is killed; a task has ended when nothing of it is left."""
        while left := self._kill():
            self._reap()
            self._say_who_stays(left)
        self._reap()

    def _say_who_stays(self, left: list[descent.Status]) -> None:
        """A process in the hands of a driver cannot be killed; the task is not over before it."""
        if not left:
            return
        cause = f"killed; pid {left[0].process.pid} does not end (state {left[0].state})"
        if cause != self._state.cause:
            self._state.cause = cause
            self._save()

    def _conclude(self, order: TaskOrder) -> None:
        self._take(launcher.lines_of(self._folder))
        self._complete_from_notes()
        state = self._state
        ranks = state.ranks if self._stopping else [self._judged(rank) for rank in state.ranks]
        end = verdict(order, self._folder, ranks, stopped=self._stopping, error=self._error)
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

    def _complete_from_notes(self) -> None:
        """How a rank ended that nobody was the parent of, it said itself."""
        for rank in self._state.ranks:
            note = exit_note(self._folder, rank.rank)
            if rank.ended and rank.exit_code is None and note is not None:
                self._note_end(rank, note.exit_code, note.time)

    # What the shim says

    def _end(self, state: Literal["succeeded", "failed", "stopped"], cause: str) -> None:
        self._state.state = state
        self._state.cause = cause
        self._save()
        until = time.monotonic() + LAST_WORDS
        while not self._saved and time.monotonic() < until:
            time.sleep(0.5)
            self._save()

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
    launcher.become_subreaper()
    launcher.name_process("llmos-shim")
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
