"""The process that owns a task: `python -m llmos.agents.node.shim TASKFOLDER`.

It starts the launcher, watches launcher and ranks, says in `state.json` what becomes of them, and
ends all that came of them. It depends on nobody: agent and terminal may go. It never reaps a rank
that the launcher started, since the launcher would lose the exit code; what becomes an orphan below
it, it does reap, being a subreaper.
"""

import contextlib
import ctypes
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Literal

from ..protocol.jobs import RankState, TaskOrder, TaskState
from . import descent, launcher
from .taskfolder import StateFile, TaskFolder, last_line
from .words import RUNNING, asked_to_stop, cannot_start, how_it_ended, why_no_ranks

FAILURE_DELAY: Final = 1.0
"""Seconds that the other ranks have, after the first failed, to print why they fail too."""

LAUNCHER_PATIENCE: Final = 3.0
"""Seconds that the launcher has, once its ranks are dead, to print their exit codes and end."""

LOOK_FOR_RANKS: Final = 0.02
"""Seconds between looks at the launcher's children, until each rank is known. After that nothing is
polled."""

LAST_WORDS: Final = 60.0
"""Seconds to try to write the last state on a disk that takes nothing."""

_PR_SET_CHILD_SUBREAPER: Final = 36

_ELASTIC_FAILURE = re.compile(
    r"rank\s*: (?P<rank>\d+) \(local_rank: \d+\)\s+exitcode\s*: (?P<code>-?\d+) \(pid: (?P<pid>\d+)"
)
"""In what torch's launcher prints when it ends: every failed rank, the first one last."""


class Shim:
    """One task, from its order to its end."""

    def __init__(self, folder: TaskFolder) -> None:
        myself = descent.itself()
        self._folder = folder
        self._file = StateFile(folder)
        self._state = TaskState(
            state="starting",
            cause="starting",
            time=time.time(),
            shim=myself.pid,
            shim_ticks=myself.ticks,
            boot=descent.boot_id(),
        )
        self._began = time.time()
        self._saved = True
        self._poll = select.poll()
        self._alive: dict[int, RankState] = {}
        """Ranks that run, by pidfd."""

        self._launcher: subprocess.Popen[bytes] | None = None
        self._launcher_code: int | None = None
        self._stop_asked = False
        self._stopping = False
        self._first: RankState | None = None
        self._first_time = 0.0
        self._deadline: float | None = None
        """When what still runs is killed, by the monotonic clock."""

        self._killed = False

    def run(self) -> None:
        """Own the task until nothing of it is left."""
        self._listen()
        self._save()
        order = self._folder.read_order()
        if order is None:
            self._end("failed", f"{self._folder.order} cannot be read")
            return
        try:
            self._launch(order)
        except (OSError, ValueError) as error:
            self._end("failed", cannot_start(order, error))
            return
        while self._launcher_code is None:
            self._step(order)
        self._end_the_rest()
        self._conclude(order)

    def give_up(self, error: Exception) -> None:
        """A fault of the shim's own: leave neither processes nor a state that says they run."""
        self._end_the_rest()
        self._end("failed", f"the shim itself failed: {error!r}; {self._folder.shim_log} says more")

    def _step(self, order: TaskOrder) -> None:
        ready = self._wait(order)
        self._look_at(ready)
        self._reap()
        self._look_for_ranks(order)
        self._obey(order)
        self._keep_deadline(order)
        if not self._saved:
            self._save()

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
        """The pidfds of the ranks that ended."""
        ready = [descriptor for descriptor, _ in self._poll.poll(self._timeout(order))]
        if self._wakeup in ready:
            ready.remove(self._wakeup)
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakeup, 4096)
        return ready

    def _timeout(self, order: TaskOrder) -> float | None:
        """Milliseconds to wait at most."""
        if self._stop_asked and not self._stopping and self._first is None:
            return 0
        times = []
        if len(self._state.ranks) < order.ranks:
            times.append(LOOK_FOR_RANKS)
        if not self._saved:
            times.append(1.0)
        if self._deadline is not None:
            times.append(max(0.0, self._deadline - time.monotonic()))
        return min(times) * 1000 + 1 if times else None

    # Launcher and ranks

    def _launch(self, order: TaskOrder) -> None:
        command = launcher.command(order, self._folder, os.environ)
        if not command.folder.is_dir():
            raise NotADirectoryError(2, "no such folder", str(command.folder))
        self._launcher = subprocess.Popen(
            command.arguments,
            cwd=command.folder,
            env=command.environment,
            stdin=subprocess.DEVNULL,
        )
        if order.request.program.launcher == "plain":
            self._meet(0, self._launcher.pid)
            self._save()

    def _look_for_ranks(self, order: TaskOrder) -> None:
        """Ranks are the launcher's children that it started with a RANK."""
        if self._launcher is None or len(self._state.ranks) >= order.ranks:
            return
        known = {rank.pid for rank in self._state.ranks}
        found = len(known)
        for pid in descent.children(self._launcher.pid):
            if pid not in known:
                rank = descent.environment(pid).get("RANK", "")
                if rank.isdecimal():
                    self._meet(int(rank), pid)
        if len(self._state.ranks) > found:
            self._save()

    def _meet(self, rank: int, pid: int) -> None:
        """Watch a rank."""
        status = descent.status(pid)
        descriptor = None if status is None else descent.open_process(status.process)
        if status is None or descriptor is None:
            return
        state = RankState(rank=rank, pid=pid, started=time.time())
        self._alive[descriptor] = state
        self._poll.register(descriptor, select.POLLIN)
        self._state.ranks.append(state)
        if self._stopping:
            descent.send(status.process, signal.SIGTERM)
        elif self._state.state == "starting":
            self._state.state = "running"
            self._state.cause = RUNNING

    def _look_at(self, ready: list[int]) -> None:
        """Note how ranks ended; the launcher may not yet have asked, so it stands in /proc."""
        ended = []
        for descriptor in ready:
            rank = self._alive.pop(descriptor)
            self._poll.unregister(descriptor)
            os.close(descriptor)
            status = descent.status(rank.pid)
            if status is not None and rank.exit_code is None:
                rank.exit_code = status.exit_code
            ended.append(rank)
        # Of several at once, the one that somebody asked to end is not the first.
        ended.sort(key=lambda rank: rank.exit_code == -signal.SIGTERM)
        for rank in ended:
            self._note_failure(rank)
        if ended:
            self._save()

    def _note_failure(self, rank: RankState) -> None:
        if rank.exit_code and self._first is None and not self._stopping:
            self._first = rank
            self._first_time = time.time()
            self._deadline = time.monotonic() + FAILURE_DELAY

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
            if self._launcher is not None and pid == self._launcher.pid:
                self._launcher_code = self._launcher.returncode = code
            for rank in self._state.ranks:
                if rank.pid == pid and rank.exit_code is None:
                    rank.exit_code = code

    # Ends

    def _obey(self, order: TaskOrder) -> None:
        """Stop, if asked to and not yet ending: the ranks may end by themselves for a while."""
        if not self._stop_asked or self._stopping or self._first is not None:
            return
        self._stopping = True
        self._deadline = time.monotonic() + order.grace
        self._state.cause = asked_to_stop(order.grace)
        for rank in self._alive.values():
            status = descent.status(rank.pid)
            if status is not None:
                descent.send(status.process, signal.SIGTERM)
        if not self._state.ranks and self._launcher is not None:
            # Popen's own way to signal would reap it; we have not, so the pid is still its own.
            os.kill(self._launcher.pid, signal.SIGTERM)
        self._save()

    def _keep_deadline(self, order: TaskOrder) -> None:
        if self._deadline is None or time.monotonic() < self._deadline:
            return
        spare = []
        if not self._killed and self._launcher and order.request.program.launcher != "plain":
            spare = [self._launcher.pid]
        self._say_who_stays(descent.kill_below(self._state.shim, spare))
        self._killed = True
        self._deadline = time.monotonic() + LAUNCHER_PATIENCE

    def _end_the_rest(self) -> None:
        """Whoever outlives the launcher is killed; a task has ended when nothing of it is left."""
        while left := descent.kill_below(self._state.shim):
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
        self._complete_exit_codes()
        if self._stopping:
            self._end("stopped", self._how_it_stopped(order))
        elif self._launcher_code == 0 and self._first is None:
            self._state.exit_code = 0
            self._end("succeeded", "every rank ended with exit code 0")
        elif self._first is not None:
            self._state.exit_code = self._first.exit_code
            self._end("failed", self._describe_failure(self._first))
        else:
            self._state.exit_code = self._launcher_code
            before = "" if self._state.ranks else " before a rank started"
            why = why_no_ranks(order, last_line(self._folder.shim_log) or "")
            self._end("failed", f"the launcher {how_it_ended(self._launcher_code)}{before}: {why}")

    def _complete_exit_codes(self) -> None:
        """What /proc no longer had, the launcher says: by exit code 0, or in its last lines."""
        if self._launcher_code == 0:
            for rank in self._state.ranks:
                rank.exit_code = rank.exit_code or 0
        for match in _ELASTIC_FAILURE.finditer(_end_of(self._folder.shim_log)):
            rank = self._rank(int(match["rank"]), int(match["pid"]))
            rank.exit_code = int(match["code"])
            # The launcher's first failure counts where the shim saw none.
            if self._first_time == 0 and not self._stopping:
                self._first = rank

    def _rank(self, number: int, pid: int) -> RankState:
        """A rank by its number; one that ended before it was seen is known from now on."""
        for rank in self._state.ranks:
            if rank.rank == number:
                return rank
        self._state.ranks.append(RankState(rank=number, pid=pid, started=self._began))
        return self._state.ranks[-1]

    def _describe_failure(self, rank: RankState) -> str:
        said = last_line(self._folder.log(rank.rank))
        if said is None and self._launcher is not None and self._launcher.pid == rank.pid:
            said = last_line(self._folder.shim_log)
        moment = time.gmtime(self._first_time or time.time())
        what = f"{how_it_ended(rank.exit_code)}: {said or 'it printed nothing'}"
        clock = time.strftime("%Y-%m-%d %H:%M:%SZ", moment)
        self._state.first_failure = f"rank {rank.rank} at {clock} {what}"
        return f"rank {rank.rank} {what}"

    def _how_it_stopped(self, order: TaskOrder) -> str:
        killed = sum(rank.exit_code == -signal.SIGKILL for rank in self._state.ranks)
        if not killed:
            return "stopped as asked"
        return (
            f"stopped; {killed} of {order.ranks} ranks did not end within {order.grace:g} s "
            "and were killed"
        )

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


def _end_of(path: Path, window: int = 2**16) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - window))
            return file.read(window).decode("utf-8", "replace")
    except OSError:
        return ""


def _print(text: str) -> None:
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _become_owner() -> None:
    """A session of our own, and the parent of every orphan below us."""
    with contextlib.suppress(PermissionError):
        os.setsid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        _print(f"cannot become a subreaper: {os.strerror(ctypes.get_errno())}")


def main() -> None:
    """Own the task whose folder the command line names."""
    _become_owner()
    shim = Shim(TaskFolder(Path(sys.argv[1])))
    try:
        shim.run()
    except Exception as error:
        shim.give_up(error)
        raise


if __name__ == "__main__":
    main()
