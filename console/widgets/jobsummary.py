"""A job in a few lines: state, progress, place, its results at the end; and how it came there."""

import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from rich.segment import Segment
from rich.style import Style

from .. import quantities as q
from ..logtext import ranks_said
from ..tables.jobs import STATE_LOOK, job_row, progress_cell, state_cell, why
from ..view import View
from .lines import Line, Lines
from .pairs import Pair, pairs
from .pen import Pen, spoken, width_of

if TYPE_CHECKING:
    from ...agents.protocol.events import Event
    from ...agents.protocol.jobs import AttemptRecord, JobRecord, JobSummary, Transition

NAME: Final = 30
PROGRESS: Final = 30
LEAST_CAUSE: Final = 10
"""Cells below which a cause says nothing."""


class JobSummaryLines(Lines):
    """What the job is, how far it is, and what came of it."""

    DEFAULT_CSS = """
    JobSummaryLines { padding: 0 1; margin: 0 0 1 0; }
    """

    def __init__(self, view: View, job: str) -> None:
        super().__init__(id="summary")
        self._view = view
        self._job = job
        self.record: JobRecord | None = None

    def draw(self, width: int) -> list[Line]:
        """State and progress; facts; results."""
        pen = self.pen
        job = self._view.store.jobs.get(self._job)
        if job is None:
            return [[Segment(f"no job {self._job} here", pen.roles.dim)]]
        return [
            *self._state(job, width, pen),
            *pairs(self._facts(job), width, pen),
            *self._results(width, pen),
        ]

    def _state(self, job: "JobSummary", width: int, pen: Pen) -> list[Line]:
        """Name, state, progress; the cause beside them, or where it is long on its own line."""
        row = job_row(job, self._view.clock())
        line: list[Segment] = [
            *pen.text(job.name, min(len(job.name) + 2, NAME), pen.roles.title),
            *state_cell(row, 13, pen),
        ]
        if row["steps"]:
            line += [*progress_cell(row, PROGRESS, pen), Segment("  ", pen.roles.base)]
        room = width - width_of(line)
        cause = why(job)
        if len(cause) > max(room, LEAST_CAUSE):
            return [line, [*pen.text(cause, width, pen.roles.dim)]]
        return [[*line, *pen.text(cause, max(room, 0), pen.roles.dim)]]

    def _facts(self, job: "JobSummary") -> list[Pair]:
        row = job_row(job, self._view.clock())
        facts = [
            ("kind", job.kind),
            ("ranks", str(job.ranks)),
            ("GPUs", ranks_said(job.gpus) or "none"),
            ("attempt", str(job.attempt)),
            ("user", job.user),
            ("submitted", clock_said(self._view, job.created)),
            ("ran", q.duration(row["time"])),
        ]
        facts += [(name, text) for name, text in self._place(job) if text]
        if q.known(job.progress.loss):
            facts.append(("loss", q.number(job.progress.loss)))
        if q.known(job.progress.tokens_per_second):
            facts.append(("speed", f"{q.count(job.progress.tokens_per_second)} tokens/s"))
        return facts

    def _results(self, width: int, pen: Pen) -> list[Line]:
        """The results as a table, a line each: they are what the job was for."""
        if self.record is None:
            return []
        said = [(name.replace("_", " "), _text(value)) for name, value in _results(self.record)]
        if not said:
            return []
        longest = min(max(len(name) for name, _ in said), width // 2)
        return [
            [
                *pen.text(name, longest + 2, pen.roles.dim),
                *pen.text(text, max(width - longest - 2, 0), pen.roles.text),
            ]
            for name, text in said
        ]

    def _place(self, job: "JobSummary") -> list[Pair]:
        """What few jobs have: a place in the queue or in an array, an origin, a torch."""
        request = None if self.record is None else self.record.request
        return [
            ("priority", str(job.priority or "")),
            ("after", ", ".join(job.after)),
            ("array", job.array or ""),
            ("like job", (request and request.source) or ""),
            ("torch", (request and request.program.torch) or ""),
        ]


class JobHistoryLines(Lines):
    """Attempts and why they failed, what happened, and each state with its cause; newest first."""

    DEFAULT_CSS = """
    JobHistoryLines { padding: 0 1; }
    """

    def __init__(self, view: View) -> None:
        super().__init__(id="history-lines")
        self._view = view
        self.record: JobRecord | None = None
        self.events: Sequence[Event] = ()

    def draw(self, width: int) -> list[Line]:
        """Attempts, events, states, each under its title."""
        record = self.record
        if record is None:
            return []
        events = sorted(self.events, key=lambda event: -event.time)
        parts: dict[str, list[Iterator[Line]]] = {
            "Attempts": [self._attempt(each, width) for each in reversed(record.attempts)],
            "Events": [self._event(each, width) for each in events],
            "States": [self._transition(each, width) for each in reversed(record.transitions)],
        }
        lines: list[Line] = []
        for title, items in parts.items():
            if items:
                lines += [[]] if lines else []
                lines.append(self.pen.text(title, width, self.pen.roles.title))
                lines += itertools.chain.from_iterable(items)
        return lines or [self.pen.text("nothing has happened yet", width, self.pen.roles.dim)]

    def _attempt(self, attempt: "AttemptRecord", width: int) -> Iterator[Line]:
        """Number, state and time; the cause; what failed first, as the rank said it."""
        pen = self.pen
        glyph, role = STATE_LOOK.get(attempt.state, ("unknown", "faint"))
        ended = attempt.ended if attempt.ended is not None else self._view.clock()
        ran = None if attempt.started is None else max(ended - attempt.started, 0.0)
        failure = attempt.failure
        name = f": {failure.name}" if failure is not None else ""
        state = f"{getattr(pen.glyphs, glyph)} {attempt.attempt} {attempt.state}{name}"
        when = "" if ran is None else f"  ran {q.duration(ran)}"
        yield pen.text(state + when, width, getattr(pen.roles, role))
        yield from self._wrapped(attempt.cause, width, pen.roles.text)
        if failure is not None:
            said = [failure.exception] if failure.exception else failure.lines[-3:]
            for text in said:
                if text and text not in attempt.cause:
                    yield from self._wrapped(text, width, pen.roles.dim)

    def _event(self, event: "Event", width: int) -> Iterator[Line]:
        role = {"warning": "warn", "error": "bad"}.get(event.severity, "text")
        mark = {"warning": "warn", "error": "bad"}.get(event.severity, "bullet")
        yield from self._timed(event.time, getattr(self.pen.glyphs, mark), role, event.text, width)

    def _transition(self, transition: "Transition", width: int) -> Iterator[Line]:
        glyph, role = STATE_LOOK[transition.state]
        text = f"{transition.state}: {transition.cause}"
        mark = getattr(self.pen.glyphs, glyph)
        yield from self._timed(transition.time, mark, role, text, width)

    def _timed(self, time: float, mark: str, role: str, text: str, width: int) -> Iterator[Line]:
        """A clock, a mark, and a text wrapped beside them."""
        pen = self.pen
        clock = clock_said(self._view, time)
        room = max(width - len(clock) - 3, LEAST_CAUSE)
        first, *rest = wrap(spoken(text, pen.glyphs), room) or [""]
        yield [
            Segment(f"{clock} ", pen.roles.dim),
            Segment(f"{mark} ", getattr(pen.roles, role)),
            Segment(first, pen.roles.text),
        ]
        for line in rest:
            yield [Segment(" " * (len(clock) + 3) + line, pen.roles.text)]

    def _wrapped(self, text: str, width: int, style: Style) -> Iterator[Line]:
        for line in wrap(spoken(text, self.pen.glyphs), max(width - 2, LEAST_CAUSE)):
            yield [Segment(f"  {line}", style)]


def clock_said(view: View, moment: float) -> str:
    """A moment (seconds since 1970) as the person reads clocks."""
    zone = UTC if view.settings.utc else None
    return datetime.fromtimestamp(moment, UTC).astimezone(zone).strftime("%H:%M:%S")


def _results(record: "JobRecord") -> list[tuple[str, object]]:
    return [*record.results.items(), *record.artifacts.items()]


def _text(value: object) -> str:
    return q.number(value) if isinstance(value, int | float) else str(value)
