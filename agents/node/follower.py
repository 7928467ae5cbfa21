"""What a running attempt says, read on from where it was read to: figures, results, prints."""

from typing import Any, Final

from ..protocol.jobs import LogPiece, Metric, Progress
from . import progress as lines
from .logs import RankLog
from .progress import Tail
from .taskfolder import TaskFolder

RESULTS: Final = 1000
"""Results and artifacts of a job, each at most."""


class Follower:
    """Follows the files of one attempt. Rank 0 always; others, and what they print, if shown."""

    def __init__(self, folder: TaskFolder, job: str, attempt: int) -> None:
        self.progress = Progress()
        self.results: dict[str, Any] = {}
        self.artifacts: dict[str, str] = {}
        self._folder = folder
        self._job = job
        self._attempt = attempt
        self._first = Tail(folder.progress(0))
        self._others: dict[int, Tail] = {}
        self._logs: dict[int, int] = {}
        """Offsets to read on from, by rank."""

        self._showing_logs = False

    @property
    def bad_lines(self) -> int:
        """Lines of progress skipped since they had no meaning."""
        return self._first.bad + sum(tail.bad for tail in self._others.values())

    @property
    def behind(self) -> bool:
        """Whether rank 0 has said more than was read."""
        return self._first.behind

    def metrics(self, *, shown: bool) -> list[Metric]:
        """The next lines of figures; of other ranks than the first only those from now on."""
        found = []
        for line in self._first.read():
            lines.advance(self.progress, line)
            self._note(line)
            if shown and isinstance(line, lines.Metric):
                found.append(self._metric(0, line))
        if not shown:
            self._others.clear()
            return found
        for rank in self._folder.ranks_with_progress():
            found += self._of_other(rank) if rank else []
        return found

    def prints(self, *, shown: bool, ended: bool = False) -> list[LogPiece]:
        """The next pieces of the logs, from the time on that somebody shows them."""
        if not shown:
            self._showing_logs = False
            return []
        if not self._showing_logs:
            self._logs.clear()
        found = []
        for rank in self._folder.ranks_with_logs():
            log = RankLog(self._folder, self._job, self._attempt, rank)
            if rank not in self._logs:
                # A log that comes up while logs are shown is new from its beginning.
                self._logs[rank] = 0 if self._showing_logs else log.size
            piece = log.read(self._logs[rank], ended=ended)
            self._logs[rank] = piece.end
            if piece.text:
                found.append(piece)
        self._showing_logs = True
        return found

    def _of_other(self, rank: int) -> list[Metric]:
        if rank not in self._others:
            self._others[rank] = Tail.from_end(self._folder.progress(rank))
        read = self._others[rank].read()
        return [self._metric(rank, line) for line in read if isinstance(line, lines.Metric)]

    def _note(self, line: lines.Line) -> None:
        if isinstance(line, lines.Result) and len(self.results) < RESULTS:
            self.results[line.name] = line.value
        if isinstance(line, lines.Artifact) and len(self.artifacts) < RESULTS:
            self.artifacts[line.name] = line.path

    def _metric(self, rank: int, line: lines.Metric) -> Metric:
        return Metric(job=self._job, attempt=self._attempt, rank=rank, values=line.values)
