"""Aliases of an artifact: given, moved and taken away, from the screen that shows its versions.

A move says where the alias pointed when the person looked; if somebody else has moved it since, the
agent refuses, and the screen looks again.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from textual.widgets import Input

from ...agents.errors import LlmosError
from ...agents.protocol.artifacts import AliasMove, ArtifactVersion, parsed_reference
from ..tables.versions import alike, difference_said
from ..widgets.prompt import Prompt
from .confirm import ConfirmScreen
from .live import LiveScreen

if TYPE_CHECKING:
    from collections.abc import Coroutine

MOST_METRICS: Final = 8
"""That a question compares."""


class AliasPrompt(Prompt):
    """The line for the name of an alias."""

    def __init__(
        self, placeholder: str, aliases: Sequence[str], answered: Callable[[str], None]
    ) -> None:
        super().__init__("/", words=tuple(aliases))
        self.kind = "alias"
        self.placeholder = placeholder
        self._answered = answered

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """An empty line is a no."""
        event.stop()
        self.leave()
        if alias := event.value.strip():
            # By the screen: this line is gone when the question that follows is answered.
            self.screen.call_later(self._answered, alias)

    def on_prompt_left(self, event: Prompt.Left) -> None:
        """Nothing is changed."""
        event.stop()
        self.leave()


class AliasQuestion(ConfirmScreen):
    """As wide as its lines, so that figures stay side by side."""

    DEFAULT_CSS = """
    AliasQuestion Static { width: auto; max-width: 100%; }
    """


class AliasActions(LiveScreen):
    """A screen that knows which version is meant, and the others of its name."""

    def chosen_version(self) -> ArtifactVersion | None:
        """The one that is meant, for the screen to give."""
        raise NotImplementedError

    def known_versions(self) -> Sequence[ArtifactVersion]:
        """All of its name, for the screen to give."""
        raise NotImplementedError

    def aliases_moved(self) -> None:
        """Where they point may have changed, for the screen to look again."""

    def action_alias(self) -> None:
        """Ask for a name, then whether it shall point here."""
        version = self.chosen_version()
        if not self.console_app.may_change() or version is None:
            return
        others = [alias for alias in self._pointing() if alias not in version.aliases]
        self._ask_for_name(
            f"an alias for {said(version)}, as champion; Escape leaves", others, self._give
        )

    def action_unalias(self) -> None:
        """Ask which of its aliases, then whether it shall go."""
        version = self.chosen_version()
        if not self.console_app.may_change() or version is None:
            return
        if not version.aliases:
            self.app.notify(f"{said(version)} has no alias", severity="warning")
        elif len(version.aliases) == 1:
            self._take_away(version.aliases[0])
        else:
            listed = ", ".join(version.aliases)
            self._ask_for_name(f"which one: {listed}", version.aliases, self._take_away)

    def _ask_for_name(
        self, placeholder: str, aliases: Sequence[str], answered: Callable[[str], None]
    ) -> None:
        if not self.query(Prompt):
            self.mount(AliasPrompt(placeholder, aliases, answered))

    def _pointing(self) -> dict[str, ArtifactVersion]:
        """Each alias of the name, and the version that it points to."""
        return {alias: one for one in self.known_versions() for alias in one.aliases}

    def _give(self, alias: str) -> None:
        """Ask whether an alias shall point to the version that is meant."""
        version = self.chosen_version()
        if version is None:
            return
        if problem := _problem(version.name, alias):
            self.app.notify(problem, severity="error")
            return
        before = self._pointing().get(alias)
        if before is not None and before.version == version.version:
            self.app.notify(f"{said(version)} is {alias} already", severity="warning")
            return
        if before is None:
            question, answer = f"Give {said(version)} the alias {alias}?", "Give"
            effect = f"nothing is called {version.name}@{alias} yet"
        else:
            question, answer = f"Move {alias} to {said(version)}?", "Move"
            effect = "\n".join([f"it points to {said(before)} now", *_compared(before, version)])
        self._confirm(
            question,
            f"{effect}\n\nllmos artifact alias {said(version)} {alias}",
            answer,
            alias,
            AliasMove(version=version.version, before=before.version if before else None),
        )

    def _take_away(self, alias: str) -> None:
        """Ask whether an alias of the version that is meant shall go."""
        version = self.chosen_version()
        if version is None:
            return
        if alias not in version.aliases:
            self.app.notify(f"{said(version)} has no alias {alias}", severity="warning")
            return
        self._confirm(
            f"Take {alias} away from {said(version)}?",
            f"{version.name}@{alias} names nothing then; the version stays"
            f"\n\nllmos artifact alias --remove {version.name}@{alias}",
            "Remove",
            alias,
            AliasMove(version=None, before=version.version),
        )

    def _confirm(self, question: str, text: str, answer: str, alias: str, move: AliasMove) -> None:
        version = self.chosen_version()
        if version is None:
            return
        name = version.name

        def done(given: str | None) -> None:
            if given is not None:
                self._work(self._move(name, alias, move))

        self.app.push_screen(AliasQuestion(question, text, [("y", answer)]), done)

    async def _move(self, name: str, alias: str, move: AliasMove) -> None:
        try:
            await self.console_app.client.move_alias(name, alias, move)
        except LlmosError as error:
            self.app.notify(str(error), severity="error", timeout=10)
        else:
            now = "is gone" if move.version is None else f"is version {move.version} now"
            self.app.notify(f"{name}@{alias} {now}", timeout=5)
        self.aliases_moved()

    def _work(self, work: "Coroutine[None, None, None]") -> None:
        """Of the app: it goes on when this screen is left."""
        self.app.run_worker(work, group="aliases", description="asks to move an alias")


def said(version: ArtifactVersion) -> str:
    """How commands name a version."""
    return f"{version.name}@{version.version}"


def _problem(name: str, alias: str) -> str | None:
    """Why no alias can be called so, in one line; None if one can."""
    if alias.isdecimal():
        return f'an alias needs a letter, got "{alias}", which reads as a version'
    try:
        parsed_reference(f"{name}@{alias}")
    except ValueError:
        return f'an alias has letters, digits, ".", "_" and "-" only, got "{alias[:40]}"'
    return None


def _compared(before: ArtifactVersion, after: ArtifactVersion) -> list[str]:
    """The metrics that both have, side by side, and what differs."""
    both = [name for name in after.metrics if name in before.metrics][:MOST_METRICS]
    if not both:
        return []
    rows = [("", f"@{before.version}", f"@{after.version}", "")]
    for name in both:
        old, new = before.metrics[name], after.metrics[name]
        form = alike([old, new])
        rows.append((name.replace("_", " "), form(old), form(new), difference_said(new - old)))
    first, *rest = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [
        "  ".join([row[0].ljust(first), *map(str.rjust, row[1:], rest)]).rstrip() for row in rows
    ]
