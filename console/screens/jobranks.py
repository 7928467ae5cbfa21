"""The ranks of the Job screen: which of them do the others wait for, while anybody looks?

The step times of all ranks are much to ask for, so they are asked for while their strip is shown,
and of an attempt that has ended only once more.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ...agents.errors import LlmosError
from ...agents.protocol.jobs import ENDED, JobSummary
from ..widgets.rankstrip import RankStrip
from .live import LiveScreen

if TYPE_CHECKING:
    from textual.timer import Timer

RANK_SECONDS: Final = 3.0
"""Between two looks at the step times of all ranks, while they are shown."""

RANK_POINTS: Final = 6000
"""Of all ranks together: what one look costs."""

LEAST_POINTS: Final = 50
"""Of one rank, however many there are."""


class RankWatch:
    """Keeps the strip of one job's ranks up to date while it is shown."""

    def __init__(self, screen: LiveScreen, job: str) -> None:
        self.strip = RankStrip(id="ranks")
        """For the screen to show."""

        self._screen = screen
        self._job = job
        self._arrived: Callable[[], None] = lambda: None
        self._timer: Timer | None = None
        self._asked: tuple[int, bool] | None = None
        """The attempt, and whether it had ended, when its step times were last asked for."""

    @property
    def count(self) -> int:
        """How many ranks the job has."""
        summary = self._summary
        return 1 if summary is None else summary.ranks

    def begin(self, arrived: Callable[[], None]) -> None:
        """The screen is mounted; `arrived` is called whenever there are new step times."""
        self._arrived = arrived
        self._timer = self._screen.set_interval(RANK_SECONDS, self.look, pause=True)

    def follow(self, *, shown: bool) -> None:
        """Look at once where the ranks have just come to be shown, then again and again."""
        if self._timer is None:
            return
        if not shown or not self._screen.is_current:
            self._timer.pause()
            return
        self._timer.resume()
        if self._asked is None:
            self.look()

    def look(self) -> None:
        """Ask, but for an attempt that has ended only once more."""
        summary = self._summary
        if summary is None or not summary.attempt:
            return
        now = (summary.attempt, summary.state in ENDED)
        if now != self._asked or not now[1]:
            self._asked = now
            self._screen.run_worker(
                self._fetch(), group="ranks", exclusive=True, description="asks for step times"
            )

    @property
    def _summary(self) -> JobSummary | None:
        return self._screen.view.store.jobs.get(self._job)

    async def _fetch(self) -> None:
        points = max(RANK_POINTS // self.count, LEAST_POINTS)
        try:
            curves = await self._screen.console_app.client.step_times(self._job, points)
        except LlmosError:
            return  # the heading tells of an agent that is lost, and the next look asks again
        self.strip.show(curves)
        self._arrived()
