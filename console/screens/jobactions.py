"""What a person does to jobs, from every screen that shows some: one table of what asks first."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from ...agents.protocol.jobs import ENDED, JobRecord, JobRequest, JobSummary
from .confirm import ConfirmScreen
from .live import LiveScreen

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ...agents.fleet.client import Client

MOST_NAMED: Final = 6
"""Jobs that a question names; of more it says how many."""

Ask = Callable[["Client", str], "Coroutine[Any, Any, Any]"]


class Change(NamedTuple):
    """Something that is done to each of some jobs."""

    verb: str
    """Of the command line: `llmos VERB ID…`."""

    ask: Ask
    """What the agent is asked."""

    effect: Callable[[JobSummary], str] = lambda job: ""
    """What else the question says of a single job."""

    refuses: Callable[[JobSummary], str | None] = lambda job: None
    """Why it cannot be done to a job, in one line; None where it can."""


def _ended(job: JobSummary) -> str | None:
    return f"job {job.id} has ended: {job.cause}" if job.state in ENDED else None


def _not_waiting(job: JobSummary) -> str | None:
    if job.state == "queued":
        return None
    return f"job {job.id} is {job.state}: only a job that waits can be held or released"


def _again(job: JobSummary) -> str:
    return "a new job like it" if job.state in ENDED else "a new attempt"


async def _stop(client: "Client", job: str) -> JobSummary:
    return await client.stop(job)


async def _restart(client: "Client", job: str) -> JobSummary:
    return await client.restart(job)


async def _hold(client: "Client", job: str) -> JobSummary:
    return await client.hold(job)


async def _release(client: "Client", job: str) -> JobSummary:
    return await client.release(job)


STOP: Final = Change("stop", _stop, refuses=_ended)
RESTART: Final = Change("restart", _restart, _again)
HOLD: Final = Change("hold", _hold, lambda job: "it waits until it is released", _not_waiting)
RELEASE: Final = Change("release", _release, lambda job: "it starts in its turn", _not_waiting)


class JobActions(LiveScreen):
    """A screen that knows which jobs are meant."""

    def chosen_jobs(self) -> list[JobSummary]:
        """The jobs that are meant, for the screen to give."""
        raise NotImplementedError

    def done_with(self, jobs: Sequence[JobSummary]) -> None:
        """What was asked for these jobs is done, for the screen to take note."""

    def action_stop(self) -> None:
        """Ask, then stop."""
        self._change(STOP)

    def action_restart(self) -> None:
        """Ask, then restart."""
        self._change(RESTART)

    def action_hold(self) -> None:
        """Ask, then hold what waits; where all of it is held, release."""
        waiting = [job for job in self.chosen_jobs() if job.state == "queued"]
        all_held = bool(waiting) and all(job.held for job in waiting)
        self._change(RELEASE if all_held else HOLD)

    def action_clone(self) -> None:
        """A form with the settings of the job; copies of several, once asked."""
        jobs = self.chosen_jobs()
        if self.console_app.may_change() and jobs:
            self._work(self._clone(jobs), "asks for the jobs to be cloned")

    def action_stacks(self) -> None:
        """What each rank of the job does right now."""
        from .stacks import StacksScreen

        for job in self.chosen_jobs()[:1]:
            if job.state in ENDED or not job.attempt:
                self.app.notify(f"job {job.id} is {job.state}: no rank runs", severity="warning")
            else:
                self.app.push_screen(StacksScreen(job.id, job.name))

    def _change(self, change: Change) -> None:
        """Ask for those to whom it can be done; where that is none, say why."""
        jobs = self.chosen_jobs()
        if not self.console_app.may_change() or not jobs:
            return
        able = [job for job in jobs if change.refuses(job) is None]
        if not able:
            self.app.notify(change.refuses(jobs[0]) or "", severity="warning")
            return
        effect = change.effect(able[0]) if len(able) == 1 else ""
        line = " ".join(["llmos", change.verb, *(job.id for job in able)])
        unable = [why for job in jobs if (why := change.refuses(job)) is not None]
        more = f", and {len(unable) - 1} more" if len(unable) > 1 else ""
        rest = f"\n\nLeft out: {unable[0]}{more}" if unable else ""
        self._ask(
            change.verb,
            able,
            effect,
            f"{line}{rest}",
            partial(self._carry_out, change.ask, [job.id for job in able]),
        )

    def _ask(
        self,
        verb: str,
        jobs: Sequence[JobSummary],
        effect: str,
        text: str,
        then: Callable[[], "Coroutine[Any, Any, None]"],
    ) -> None:
        """The question, with the names of many; upon yes, the work, with nobody waiting for it."""

        def done(answer: str | None) -> None:
            if answer is not None:
                self._work(then(), f"asks to {verb}")
                self.done_with(jobs)

        question = f"{verb.capitalize()} {_named(jobs)}?"
        above = _listed(jobs) if len(jobs) > 1 else effect
        listed = f"{above}\n\n" if above else ""
        answers = [("y", verb.capitalize())]
        self.app.push_screen(ConfirmScreen(question, f"{listed}{text}", answers), done)

    async def _carry_out(self, ask: Ask, jobs: Sequence[str]) -> None:
        """Ask the agent for each; a single new job is opened."""
        app = self.console_app
        client = await app.attempt(app.connected())
        if client is None:
            return
        for job in jobs:
            told = await app.attempt(ask(client, job))
            if isinstance(told, JobSummary) and told.id != job:
                self._arrived(told, alone=len(jobs) == 1)

    async def _clone(self, jobs: Sequence[JobSummary]) -> None:
        from .launch import open_clone

        app = self.console_app
        client = await app.attempt(app.connected())
        if client is None:
            return
        records = [await app.attempt(client.job(job.id)) for job in jobs]
        known = [record for record in records if isinstance(record, JobRecord)]
        if len(known) < len(jobs):
            return  # what was refused has been told
        if len(known) == 1:
            open_clone(app, _copy(known[0]))
        else:
            text = "\n".join(_clone_line(record) for record in known[:MOST_NAMED])
            self._ask("clone", jobs, "", text, partial(self._submit, known))

    async def _submit(self, records: Sequence[JobRecord]) -> None:
        """Hand in a copy of each."""
        app = self.console_app
        client = await app.attempt(app.connected())
        if client is None:
            return
        for record in records:
            told = await app.attempt(client.submit(_copy(record)))
            if isinstance(told, JobSummary):
                self._arrived(told, alone=False)

    def _arrived(self, job: JobSummary, *, alone: bool) -> None:
        if alone:
            self.console_app.feed.store.jobs.setdefault(job.id, job)
            self.console_app.open_job(job.id)
        else:
            self.app.notify(f"job {job.id} ({job.name}) is submitted", timeout=5)

    def _work(self, work: "Coroutine[Any, Any, None]", description: str) -> None:
        """Of the app: it goes on when this screen is left."""
        self.app.run_worker(work, group="jobs", description=description)


def _named(jobs: Sequence[JobSummary]) -> str:
    return f"job {jobs[0].id} ({jobs[0].name})" if len(jobs) == 1 else f"{len(jobs)} jobs"


def _listed(jobs: Sequence[JobSummary]) -> str:
    """The names of many, a line each."""
    lines = [f"{job.id}  {job.name}  {job.state}" for job in jobs[:MOST_NAMED]]
    rest = len(jobs) - len(lines)
    return "\n".join([*lines, *([f"and {rest} more"] if rest else [])])


def _copy(record: JobRecord) -> JobRequest:
    """The same again. It is no part of its original's array."""
    return msgspec.structs.replace(record.request, source=record.summary.id, array=None)


def _clone_line(record: JobRecord) -> str:
    """The command that does the same: of an ended job a restart, else its spec submitted again."""
    if record.summary.state in ENDED:
        return f"llmos restart {record.summary.id}"
    if record.folder is None:
        return f"(the spec of job {record.summary.id}, submitted again)"
    return f"llmos submit {record.folder}/spec.json"
