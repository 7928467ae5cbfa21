"""A draft from the words that a person typed, as one would after `llmos run`."""

from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from ...agents.errors import UsageError
from ...engine import specs
from ...engine.catalog import KINDS
from ..requests import FLAGS, FOR_A_SCRIPT, NUMBERS, OPTIONS
from .draft import Draft
from .values import toml

SPECS: Final = tuple(specs.PARSERS)

KEYS: Final = {
    **{number: f"resources.{number[2:]}" for number in NUMBERS},
    **FOR_A_SCRIPT,
    "--hold": "hold",
}
"""Option → the key of a spec that it stands for."""


def draft_of(words: list[str], folder: Path) -> Draft:
    """A spec, @NAME or a kind with options, or a script with its own words, "--" ahead or not.

    Raises:
        UsageError: the words are off, or the spec cannot be read.
    """
    settings, rest = _parted(words)
    if not rest:
        raise UsageError("expected a script, a spec, @NAME or a kind")
    if is_spec(rest[0]) and "--" not in words:
        draft = _spec(rest[0], folder)
    else:
        draft = Draft.of_table({"kind": "command", "command": _program(rest)})
    table = deepcopy(draft.table)
    for setting in settings:
        specs.override(table, setting)
    draft.take(table)
    return draft


def script_words(line: str) -> str:
    """A line as it follows `llmos run`: with two dashes ahead of a script."""
    first = line.split(maxsplit=1)[:1]
    return line if not first or first[0].startswith("-") or is_spec(first[0]) else f"-- {line}"


def is_spec(word: str) -> bool:
    """Whether a word names a spec: a file, an example or a kind."""
    return word.startswith("@") or word.endswith(SPECS) or word in KINDS


def _spec(word: str, folder: Path) -> Draft:
    if word in KINDS:
        return Draft.of_table({"kind": word})
    return Draft.of_source(word, folder)


def _program(words: list[str]) -> dict[str, Any]:
    """The [command] table. Raises UsageError: "-m" and no module."""
    if words[0] == "-m":
        if len(words) == 1:
            raise UsageError("-m: expected a module after it")
        program, arguments = {"module": words[1]}, words[2:]
    else:
        program, arguments = {"script": words[0]}, words[1:]
    return {**program, **({"arguments": arguments} if arguments else {})}


def _parted(words: list[str]) -> tuple[list[str], list[str]]:
    """What options set, as "a.b=v", and the other words. A script's own words are no options."""
    settings: list[str] = []
    after: list[str] = []
    rest: list[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            rest += waiting
            break
        if not word.startswith("--"):
            rest.append(word)
            if is_spec(word):
                continue
            rest += waiting
            break
        value = _value(word, waiting)
        if word == "--after":
            after.append(value)
        else:
            settings.append(value if word == "--set" else f"{KEYS[word]}={value}")
    if len(rest) > 1 and is_spec(rest[0]) and "--" not in words:
        raise UsageError(f"expected one spec, got also {rest[1]}")
    return settings + ([f"after={toml(after)}"] if after else []), rest


def _value(option: str, waiting: list[str]) -> str:
    """What an option is given, taken from the words after it; "true" for a flag."""
    if option in FLAGS:
        return "true"
    if option not in OPTIONS:
        raise UsageError(f"unknown option {option}; expected one of {', '.join(OPTIONS + FLAGS)}")
    if not waiting:
        raise UsageError(f"{option}: expected a value after it")
    value = waiting.pop(0)
    return value if option in ("--set", "--after", *NUMBERS) else toml(value)
