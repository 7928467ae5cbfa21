"""A value as the text of a field, and back: what may be typed for each sort of type.

A text that no value can be read from is a ValueError; whether a value fits is for the spec's own
checks, so that a form says the same as the command line.
"""

import json
import shlex
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

from msgspec import inspect

Sort = Literal["text", "number", "choice", "words", "pairs", "toml"]
"""How a value is typed: "text" as it is, "number" and "toml" as in a spec, "choice" by picking,
"words" as in a shell, "pairs" as NAME=value words. What that cannot say, as an empty text or one of
two lines, TOML says everywhere, in quotes or brackets."""


class Shape(NamedTuple):
    """What a field takes."""

    sort: Sort
    choices: tuple[object, ...] = ()
    single: bool = False
    """Whether one word alone is a text rather than a list of one."""


def shape_of(kind: Any) -> Shape:
    """What a field of that type takes."""
    members = _members(inspect.type_info(kind))
    sorts = {type(member) for member in members}
    if sorts == {inspect.BoolType}:
        return Shape("choice", (False, True))
    if sorts == {inspect.LiteralType}:
        return Shape("choice", tuple(value for member in members for value in member.values))
    if sorts <= {inspect.IntType, inspect.FloatType}:
        return Shape("number")
    if sorts == {inspect.StrType}:
        return Shape("text")
    if sorts <= {inspect.StrType, inspect.ListType} and _lists_text(members):
        return Shape("words", single=inspect.StrType in sorts)
    if sorts == {inspect.DictType} and isinstance(members[0].value_type, inspect.StrType):
        return Shape("pairs")
    return Shape("toml")


def read(shape: Shape, text: str) -> Any:
    """The value that a text means. Raises ValueError: the text is not whole, as an open quote."""
    return READERS[shape.sort](shape, text)


def write(shape: Shape, value: object) -> str:
    """The text that `read` makes the value of; of an unfit value, as a spec would say it."""
    text = WRITERS[shape.sort](shape, value)
    try:
        faithful = bool(text) and text.isprintable() and same(read(shape, text), value)
    except ValueError:
        faithful = False
    return text if faithful else toml(value)


def same(one: object, other: object) -> bool:
    """Equal, also in what a spec tells apart: 1 and true, 1 and 1.0."""
    return _canonical(one) == _canonical(other)


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def toml(value: object) -> str:
    """A value in TOML, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        pairs = (f"{toml_key(str(key))} = {toml(below)}" for key, below in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml(below) for below in value)}]"
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_key(key: str) -> str:
    """A key of a table in TOML, in quotes where it needs them."""
    bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if bare else toml(key)


def as_set(text: str) -> Any:
    """The value that `--set KEY=text` gives: TOML, or else text."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if table.keys() == {"value"} else text


def _members(kind: inspect.Type) -> list[Any]:
    """What a type may be, without its bounds and without None."""
    if isinstance(kind, inspect.Metadata):
        return _members(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [each for member in kind.types for each in _members(member)]
    return [] if isinstance(kind, inspect.NoneType) else [kind]


def _lists_text(members: list[Any]) -> bool:
    lists = [member for member in members if isinstance(member, inspect.ListType)]
    items = [item for member in lists for item in _members(member.item_type)]
    return all(isinstance(item, inspect.StrType) for item in items)


def _read_words(shape: Shape, text: str) -> Any:
    if text.lstrip().startswith("[") and _all_text(said := as_set(text)):
        return said
    words = shlex.split(text)
    return words[0] if shape.single and len(words) == 1 else words


def _read_pairs(shape: Shape, text: str) -> Any:
    if text.lstrip().startswith("{") and isinstance(said := as_set(text), dict):
        return said
    pairs = [word.partition("=") for word in shlex.split(text)]
    lone = [name for name, equals, _ in pairs if not equals]
    if lone:
        raise ValueError(f"expected NAME=value, got {lone[0]}")
    return {name: value for name, _, value in pairs}


def _read_text(shape: Shape, text: str) -> Any:
    said = as_set(text) if text.startswith('"') else text
    return said if isinstance(said, str) else text


def _write_words(shape: Shape, value: Any) -> str:
    if isinstance(value, str):
        return shlex.quote(value)
    return shlex.join(value) if _all_text(value) else ""


def _write_pairs(shape: Shape, value: Any) -> str:
    if not isinstance(value, dict) or not _all_text([*value, *value.values()]):
        return ""
    return shlex.join(f"{name}={text}" for name, text in value.items())


def _write_text(shape: Shape, value: Any) -> str:
    return value if isinstance(value, str) else ""


def _all_text(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(each, str) for each in values)


def _read_choice(shape: Shape, text: str) -> Any:
    texts = {_plain(value): value for value in shape.choices}
    return texts.get(text, text)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else toml(value)


READERS: Final[dict[Sort, Callable[[Shape, str], Any]]] = {
    "choice": _read_choice,
    "number": lambda _, text: as_set(text.strip()),
    "pairs": _read_pairs,
    "text": _read_text,
    "toml": lambda _, text: as_set(text.strip()),
    "words": _read_words,
}

WRITERS: Final[dict[Sort, Callable[[Shape, Any], str]]] = {
    "choice": lambda _, value: _plain(value),
    "number": lambda _, value: toml(value),
    "pairs": _write_pairs,
    "text": _write_text,
    "toml": lambda _, value: toml(value),
    "words": _write_words,
}
