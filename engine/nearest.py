"""The nearest of the names that there are, for somebody who mistyped one."""

import json
from collections.abc import Iterable
from difflib import get_close_matches

LONGEST = 60
"""Characters of a value that an error repeats."""


def hint(name: object, known: Iterable[str]) -> str:
    """The name as it was given, and after it the nearest known one, or all of them."""
    names = sorted(known)
    near = get_close_matches(name[:LONGEST], names, 1) if isinstance(name, str) else []
    if near:
        return f'{shown(name)}, did you mean "{near[0]}"?'
    return f"{shown(name)}, expected one of {', '.join(names)}"


def shown(value: object) -> str:
    """A value as an error repeats it: on one line and not too long."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number past 64 bits"
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
