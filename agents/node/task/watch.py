"""What a shim sees of its task: launcher and ranks, who runs, what is said, and how each ended."""

import contextlib
import os
import select
import signal
import time
from typing import Final

from ...protocol.jobs import RankState
from . import descent, launcher, locks
from .launcher import Said
from .taskfolder import TaskFolder
from .verdict import exit_note

WITHOUT_PIPE: Final = 0.1
"""Seconds between looks at what a launcher says that another shim started."""


class Watch:
    """The processes of a task, as far as launcher, kernel and the ranks themselves tell of them."""

    def __init__(self, folder: TaskFolder, ranks: list[RankState]) -> None:
        self.ranks = ranks
        """Filled as the ranks are met, and told how they ended."""

        self.launcher: descent.Process | None = None
        """The launcher, once it has said who it is."""

        self.error: str | None = None
        """Why a rank could not be started."""

        self._folder = folder
        self._poll = select.poll()
        self._alive: dict[int, RankState] = {}
        """Ranks that run, by pidfd."""

        self._launcher_watch: int | None = None
        """The launcher's pidfd, None where it does not run or is not known yet."""

        self._forked: descent.Process | None = None
        """The launcher that this shim started, also before it has said a word."""

        self._pipe: int | None = None
        self._heard = b""
        self._changed = False
        self._wakeup = self._listen()
        for rank in ranks:
            # Met by a shim before this one; what the launcher said of them may be lost.
            if not rank.ended:
                self._watch_rank(rank)

    @property
    def alive(self) -> list[RankState]:
        """The ranks that run."""
        return list(self._alive.values())

    @property
    def launcher_runs(self) -> bool:
        """Whether the launcher is known, and runs."""
        return self._launcher_watch is not None

    @property
    def launcher_lost(self) -> bool:
        """Whether no launcher starts further ranks or says how those that run end."""
        if self.launcher is not None:
            return self._launcher_watch is None
        return bool(self.ranks) and self._pipe is None and not self.has_launcher()

    @property
    def over(self) -> bool:
        """Whether the launcher is gone, and with it each rank that it said."""
        if self._launcher_watch is not None or self._alive:
            return False
        if self.launcher is None:
            return self._pipe is None and not self.has_launcher()
        return True

    def has_launcher(self) -> bool:
        """Whether there is a launcher, be it that it has said nothing yet."""
        return self.launcher is not None or locks.is_locked(self._folder.launcher_lock)

    def first_failure(self) -> float | None:
        """When the first rank ended that failed."""
        return min((rank.ended or 0.0 for rank in self.ranks if rank.exit_code), default=None)

    def unknown_since(self) -> float | None:
        """Since when it is not known how a rank ended that has ended."""
        missing = [rank.ended for rank in self.ranks if rank.ended and rank.exit_code is None]
        return min(missing, default=None)

    def hear_from(self, pid: int, pipe: int) -> None:
        """Hear a launcher by the pipe that it was started with."""
        found = descent.status(pid)
        self._forked = found.process if found else None
        self._pipe = pipe
        self._poll.register(pipe, select.POLLIN)

    def wake_launcher(self) -> None:
        """Continue a launcher that somebody stopped."""
        process = self.launcher or self._forked
        if process is not None:
            descent.wake(process)

    def longest_wait(self, ranks: int) -> float | None:
        """Seconds after which there may be news that wake nobody: a file is only read."""
        heard = len(self.ranks) == ranks and self.unknown_since() is None
        return None if self._pipe is not None or heard else WITHOUT_PIPE

    def wait(self, seconds: float) -> None:
        """Until something happens, at most so long; then take in what did."""
        ready = [descriptor for descriptor, _ in self._poll.poll(seconds * 1000 + 1)]
        if self._wakeup in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakeup, 4096)
        self.hear()
        self.reap()
        self._look_at(ready)

    def news(self) -> bool:
        """Whether anything has changed since this was last asked."""
        changed, self._changed = self._changed, False
        return changed

    def _listen(self) -> int:
        """Signals end the wait. Handlers, since ignored signals would stay so in the ranks."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self._poll.register(reader, select.POLLIN)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        return reader

    # What the launcher says

    def hear(self) -> None:
        """Take in what the launcher has said since."""
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

    def hear_all(self) -> None:
        """All that the launcher ever said. What was heard already changes nothing."""
        self._take(launcher.lines_of(self._folder))

    def _hear_file(self) -> None:
        known = self.launcher is not None and self._launcher_watch is None
        if not known or self.unknown_since() is not None:
            self.hear_all()

    def _hear_to_the_end(self) -> None:
        """What the launcher said before it ended."""
        while self._pipe is not None:
            before = self._pipe
            self.hear()
            if self._pipe == before and not select.select([before], [], [], 0)[0]:
                break
        self.hear_all()

    def _take(self, text: bytes) -> None:
        for said in launcher.said_in(text):
            self._take_line(said)

    def _take_line(self, said: Said) -> None:
        if said.what == "launcher" and self.launcher is None:
            self.launcher = descent.Process(said.pid, said.ticks)
            self._launcher_watch = descent.open_process(self.launcher)
            if self._launcher_watch is not None:
                self._poll.register(self._launcher_watch, select.POLLIN)
        elif said.what == "rank":
            self._meet(said)
        elif said.what == "exit":
            self._note_end(self._rank(said.rank), said.code, said.time)
        elif said.what == "error":
            self.error = said.text

    def _meet(self, said: Said) -> None:
        """Watch a rank."""
        known = self._rank(said.rank)
        if known is None:
            known = RankState(rank=said.rank, pid=said.pid, ticks=said.ticks, started=said.time)
            self.ranks.append(known)
        elif known.ended or any(known is alive for alive in self._alive.values()):
            return
        self._watch_rank(known)

    def _watch_rank(self, rank: RankState) -> None:
        watch = descent.open_process(descent.Process(rank.pid, rank.ticks))
        if watch is None:
            rank.ended = time.time()
        else:
            self._alive[watch] = rank
            self._poll.register(watch, select.POLLIN)
        self._changed = True

    def _rank(self, number: int) -> RankState | None:
        return next((rank for rank in self.ranks if rank.rank == number), None)

    # What becomes of launcher and ranks

    def _look_at(self, ready: list[int]) -> None:
        """Whose pidfd is ready has ended."""
        for descriptor in ready:
            rank = self._alive.get(descriptor)
            if rank is not None:
                # The launcher may not yet have asked: then how it ended stands in /proc.
                found = descent.status(rank.pid)
                same = found is not None and found.process.ticks == rank.ticks
                code = found.exit_code if found and same else descent.exit_code(descriptor)
                self._forget(descriptor)
                del self._alive[descriptor]
                self._note_end(rank, code, time.time())
            elif descriptor == self._launcher_watch:
                self._forget(descriptor)
                self._launcher_watch = None
                self._hear_to_the_end()

    def _forget(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        os.close(descriptor)

    def reap(self) -> None:
        """Ask every child that ended how: the launcher, and orphans that became ours."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            for rank in self.ranks:
                if rank.pid == pid and rank.exit_code is None:
                    self._note_end(rank, code, time.time())

    def read_notes(self) -> None:
        """How a rank ended that nobody was the parent of, it said itself."""
        for rank in self.ranks:
            if rank.ended and rank.exit_code is None:
                note = exit_note(self._folder, rank.rank)
                if note is not None:
                    self._note_end(rank, note.exit_code, note.time)

    def _note_end(self, rank: RankState | None, code: int | None, moment: float) -> None:
        """A rank has ended, so far as it is known how.

        Of several who tell it, the earliest was the nearest: which rank failed first rests on that.
        """
        if rank is None:
            return
        before = rank.ended, rank.exit_code
        rank.ended = moment if rank.ended is None else min(rank.ended, moment)
        rank.exit_code = code if rank.exit_code is None else rank.exit_code
        self._changed |= before != (rank.ended, rank.exit_code)
