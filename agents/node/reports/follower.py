"""What a running attempt says, read on from where it was read to: figures, results, prints."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from ...protocol.artifacts import ArtifactLine
from ...protocol.jobs import LogPiece, Metric, Progress
from ..sources.foreign import Foreign
from ..sources.stepregex import LogFigures
from ..task.taskfolder import TaskFolder
from . import progress as lines
from .logs import RankLog
from .progress import Tail

RESULTS: Final = 1000
"""Results and artifacts of a job, each at most."""

OURS: Final = "llmos"
"""The source of a rank's own lines."""

PRINTED: Final = "log"
"""The source of figures found in what rank 0 prints."""


OURS_IS_WORTH: Final = 5
"""More than a loss and a step from elsewhere."""


class Follower:
    """Follows the files of one attempt. Rank 0 always; others, and what they print, if shown.

    Figures that the ranks write for others are followed, too, where `pids` tells the ranks that
    run; and those that `step_regex` finds in what rank 0 prints.
    """

    def __init__(
        self,
        folder: TaskFolder,
        job: str,
        attempt: int,
        pids: Callable[[], Sequence[int]] = tuple,
        step_regex: str | None = None,
    ) -> None:
        self.progress = Progress()
        self.results: dict[str, Any] = {}
        self.artifacts: dict[str, str] = {}
        """By name: where each lies, or the digest of one that is registered."""

        self._unregistered: list[ArtifactLine] = []
        self._folder = folder
        self._job = job
        self._attempt = attempt
        self._first = Tail(folder.progress(0))
        self._others: dict[int, Tail] = {}
        self._foreign = Foreign(folder, pids)
        self._printed = figures_printed(folder, step_regex)
        self._lead = Lead(self.progress)
        self._logs: dict[int, int] = {}
        """Offsets to read on from, by rank."""

        self._showing_logs = False

    @property
    def bad_lines(self) -> int:
        """Lines of progress skipped since they had no meaning."""
        return self._first.bad + sum(tail.bad for tail in self._others.values())

    @property
    def behind(self) -> bool:
        """Whether more was said than was read: by rank 0, or by ranks that are gone."""
        printed = self._printed is not None and self._printed.behind
        return self._first.behind or printed or self._foreign.pending

    def metrics(self, *, shown: bool) -> list[Metric]:
        """The next lines of figures; of other ranks than the first only those from now on."""
        found = []
        for line in self._first.read():
            lines.advance(self.progress, line)
            self._note(line)
            if isinstance(line, lines.Metric):
                self._lead.take_over()
                found.append(self._metric(0, line))
        found += self._of_others_files()
        if not shown:
            self._others.clear()
            return []
        for rank in self._folder.ranks_with_progress():
            found += self._of_other(rank) if rank else []
        return found

    def take_artifacts(self) -> list[ArtifactLine]:
        """What is to be registered, of the lines that `metrics` has read since the last call."""
        taken, self._unregistered = self._unregistered, []
        return taken

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

    def _of_others_files(self) -> list[Metric]:
        """Figures that were not written for us."""
        printed = self._printed.read() if self._printed is not None else []
        said = [(PRINTED, 0, line) for line in printed]
        said += [(read.found.source, read.found.rank, read.line) for read in self._foreign.take()]
        for source, rank, line in said:
            if rank == 0:
                self._lead.follow(source, line)
        return [self._metric(rank, line, source) for source, rank, line in said]

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
        if isinstance(line, ArtifactLine):
            self._unregistered.append(line)
            if len(self.artifacts) < RESULTS:
                self.artifacts[line.name] = line.digest

    def _metric(self, rank: int, line: lines.Metric, source: str = OURS) -> Metric:
        return Metric(
            job=self._job, attempt=self._attempt, rank=rank, values=line.values, source=source
        )


class Lead:
    """Which source tells how far the job has come: our own lines, else the first that knows most
    of what there is to know."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._source: str | None = None
        self._worth = 0

    def take_over(self) -> None:
        """Our own lines tell it from now on."""
        self._source, self._worth = OURS, OURS_IS_WORTH

    def follow(self, source: str, line: lines.Metric) -> None:
        """A line of rank 0 that was not written for us."""
        worth = 1 + 2 * lines.names_loss(line) + ("step" in line.values)
        if worth > self._worth:
            self._source, self._worth = source, worth
        if source == self._source:
            lines.advance_by_names(self._progress, line)


def figures_printed(
    folder: TaskFolder,
    step_regex: str | None,
    when: Callable[[int], float | None] | None = None,
) -> LogFigures | None:
    """The figures in what rank 0 prints, where there is a pattern to find them by."""
    if step_regex is None:
        return None
    try:
        return LogFigures(folder.log(0), step_regex, when)
    except ValueError:
        return None
