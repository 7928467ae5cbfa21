"""The job that the words after `llmos run` ask for, for the command line and the screen alike."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from ..agents.errors import UsageError
from ..agents.protocol.jobs import JobRequest, Resources
from ..engine.command.spec import command_request
from ..engine.specs import job_request

NUMBERS = ("--nodes", "--gpus", "--ranks")


def request_from_words(words: list[str], folder: Path) -> JobRequest:
    """A spec or `@NAME` with `--set a.b=v`, or `[--gpus N] [--ranks N] -- script.py args`.

    Raises UsageError or SpecError, one line each.
    """
    before, script = _split(words)
    sources: list[str] = []
    overrides: list[str] = []
    numbers: dict[str, int] = {}
    waiting = iter(before)
    for word in waiting:
        if word == "--set":
            overrides.append(_next(waiting, word))
        elif word in NUMBERS:
            numbers[word.removeprefix("--")] = _whole(_next(waiting, word), word)
        elif word.startswith("-"):
            raise UsageError(f"unknown option {word}; expected --set or {', '.join(NUMBERS)}")
        else:
            sources.append(word)
    if script is not None:
        if sources or overrides:
            raise UsageError("expected a spec or a script after --, got both")
        resources = msgspec.convert(numbers, Resources)
        return command_request(script, resources=resources, folder=folder)
    if len(sources) != 1:
        raise UsageError("expected one spec, one @NAME, or -- script.py")
    overrides += [f"resources.{name}={number}" for name, number in numbers.items()]
    return job_request(sources[0], overrides, folder)


def _split(words: list[str]) -> tuple[list[str], list[str] | None]:
    if "--" not in words:
        return words, None
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _next(words: Iterator[str], option: str) -> str:
    value = next(words, None)
    if value is None:
        raise UsageError(f"{option}: expected a value after it")
    return value


def _whole(text: str, option: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"{option}: expected a whole number, got {text!r}")
    return int(text)
