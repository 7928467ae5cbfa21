"""The jobs that the words after `llmos run` stand for, on the command line and on screen."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from ..agents.errors import UsageError
from ..agents.protocol.jobs import JobRequest, Resources
from ..engine.command.spec import command_request
from ..engine.several import job_requests

NUMBERS: Final = ("--nodes", "--gpus", "--ranks", "--priority")
OPTIONS: Final = ("--set", "--after", "--step-regex", *NUMBERS)
"""Options with a value."""

FLAGS: Final = ("--hold", "--warm")
FOR_A_SCRIPT: Final = {"--step-regex": "command.step_regex", "--warm": "command.warm"}
"""Options that a spec says with a key of its own."""

Given = Mapping[str, list[str]]
"""What followed each option that was given; for a flag, "true"."""


def requests_from_words(words: list[str], folder: Path) -> list[JobRequest]:
    """A spec or `@NAME` with `--set a.b=v`, or `[--gpus N] [--ranks N] -- script.py args`; either
    with `--after JOB`, `--hold` and `--priority N`. Several only for a spec that lists jobs.

    Raises UsageError or SpecError, one line each.
    """
    before, script = _split(words)
    sources, given = _parsed(before)
    if script is None:
        return _spec_requests(sources, given, folder)
    if sources or "--set" in given:
        raise UsageError("expected a spec or a script after --, got both")
    asked = command_request(
        script,
        resources=msgspec.convert(_numbers(given), Resources),
        folder=folder,
        command=_for_a_script(given),
        above={"after": given.get("--after", []), "hold": "--hold" in given},
    )
    return [asked]


def _spec_requests(sources: list[str], given: Given, folder: Path) -> list[JobRequest]:
    if len(sources) != 1:
        raise UsageError("expected one spec, one @NAME, or -- script.py")
    for option, key in FOR_A_SCRIPT.items():
        if option in given:
            raise UsageError(f"{option} is for a script; a spec takes --set {key}=VALUE")
    overrides = [*given.get("--set", [])]
    overrides += [f"resources.{name}={number}" for name, number in _numbers(given).items()]
    overrides += ["hold=true"] if "--hold" in given else []
    return job_requests(sources[0], overrides, (), given.get("--after", []), folder)


def _parsed(words: list[str]) -> tuple[list[str], Given]:
    """Words that belong to no option, and what was given with each option."""
    sources: list[str] = []
    given: defaultdict[str, list[str]] = defaultdict(list)
    waiting = iter(words)
    for word in waiting:
        if word in FLAGS:
            given[word] = ["true"]
        elif word in OPTIONS:
            value = next(waiting, None)
            if value is None:
                raise UsageError(f"{word}: expected a value after it")
            given[word].append(value)
        elif word.startswith("-"):
            raise UsageError(f"unknown option {word}; expected one of {', '.join(OPTIONS + FLAGS)}")
        else:
            sources.append(word)
    return sources, dict(given)


def _numbers(given: Given) -> dict[str, int]:
    return {name[2:]: _whole(given[name][-1], name) for name in NUMBERS if name in given}


def _for_a_script(given: Given) -> dict[str, Any]:
    command: dict[str, Any] = {}
    if "--warm" in given:
        command["warm"] = True
    if "--step-regex" in given:
        command["step_regex"] = given["--step-regex"][-1]
    return command


def _split(words: list[str]) -> tuple[list[str], list[str] | None]:
    if "--" not in words:
        return words, None
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _whole(text: str, option: str) -> int:
    if not text.removeprefix("-").isdecimal():
        raise UsageError(f"{option}: expected a whole number, got {text!r}")
    return int(text)
