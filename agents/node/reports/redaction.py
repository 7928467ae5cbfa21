"""Takes the values of secrets out of what a job wrote, before it is passed on.

A secret is what goes under a secret's name (`records.secrets`). A program that prints it prints it
as it is, or quoted in some way: these forms are known here. In another form, as base64, it is not
recognized.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from ...protocol.jobs import JobRequest
from ...records.secrets import NOT_STORED, is_secret

SHORTEST: Final = 6
"""Characters of a value that is taken out. Shorter ones stand everywhere by chance."""

_ASSIGNED = re.compile(r"""\b([A-Z][A-Z0-9_]*)=(?:"([^"]*)"|'([^']*)'|([^\s;&|]+))""")

_PASSWORD = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s:@]*:([^/\s@]+)@")
"""In an address, as of a proxy or a database."""


class Redaction:
    """Replaces secret values in bytes."""

    def __init__(self, values: Iterable[str]) -> None:
        forms = {form.encode() for value in values for form in _forms(value)}
        # Longest first: one secret may be part of another.
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        self.longest = len(self._forms[0]) if self._forms else 0
        """Bytes of the longest form; 0 where there is no secret."""

    def __call__(self, text: bytes) -> bytes:
        """The text without the secrets."""
        for form in self._forms:
            text = text.replace(form, NOT_STORED.encode())
        return text


def secret_values(request: JobRequest, *environments: Mapping[str, str]) -> set[str]:
    """The values of what a request, and environments that a job had, call a secret by name."""
    found = {
        value
        for environment in (request.program.environment, *environments)
        for name, value in environment.items()
        if is_secret(name)
    }
    content: dict[str, Any] = msgspec.to_builtins(request)
    found.update(_named(content, everywhere=False))
    for text in _texts([content, *map(dict, environments)]):
        found.update(_assigned(text))
        found.update(_PASSWORD.findall(text))
    return found


def _named(content: Any, *, everywhere: bool) -> Iterator[str]:
    """Texts under a secret's name: in tables of an environment, elsewhere under capitals only."""
    if isinstance(content, list):
        for item in content:
            yield from _named(item, everywhere=everywhere)
    elif isinstance(content, dict):
        for name, value in content.items():
            if isinstance(value, str) and is_secret(name) and (everywhere or name.isupper()):
                yield value
            yield from _named(value, everywhere=everywhere or name == "environment")


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list | dict):
        for item in content.values() if isinstance(content, dict) else content:
            yield from _texts(item)


def _assigned(text: str) -> Iterator[str]:
    """What a line of shell, or an argument, gives to variables that are secrets by name."""
    for name, *values in _ASSIGNED.findall(text):
        if is_secret(name):
            yield "".join(values)


def _forms(value: str) -> Iterator[str]:
    """A value as programs print it: itself, its lines, as JSON, as Python and as part of a URL."""
    for text in {value, value.strip(), *(line.strip() for line in value.splitlines())}:
        if len(text) >= SHORTEST and text != NOT_STORED:
            yield text
            yield json.dumps(text)[1:-1]
            yield json.dumps(text, ensure_ascii=False)[1:-1]
            yield repr(text)[1:-1]
            yield quote(text)
            yield quote(text, safe="")
