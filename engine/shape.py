"""Whether a table has a struct's shape, said so that a person can mend it.

msgspec checks the same, but its words name types of Python's, and it stops at a name that it does
not know without offering the one that was meant.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args, get_origin

import msgspec
from msgspec import inspect

from ..agents.errors import SpecError
from .nearest import hint, shown


def check_table(table: object, struct: type[msgspec.Struct], path: str) -> None:
    """Nothing, if `table` has the shape of `struct`.

    Raises:
        SpecError: the first unknown or missing key or unfit value, by its path below `path`.
    """
    if not isinstance(table, Mapping):
        raise SpecError(f"{path}: expected a table, got {shown(table)}")
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for key in table:
        if key not in fields:
            raise SpecError(f"{path}.{_key(key)}: unknown key{_meant(key, fields)}")
    for name, field in fields.items():
        if name in table:
            _check_value(table[name], field.type, f"{path}.{name}")
        elif field.required:
            raise SpecError(f"{path}.{name}: missing, expected {expected(field.type)}")


def expected(kind: Any) -> str:
    """What a value of that type is, in words: "a number > 0"."""
    return _words(inspect.type_info(kind))


def _check_value(value: object, kind: Any, path: str) -> None:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        check_table(value, kind, path)
        return
    if get_origin(kind) is list and isinstance(value, list):
        for index, below in enumerate(value):
            _check_value(below, get_args(kind)[0], f"{path}[{index}]")
        return
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, OverflowError, RecursionError):
        raise SpecError(f"{path}: expected {expected(kind)}, got {shown(value)}") from None
    _check_travels(value, path)


def _check_travels(value: object, path: str) -> None:
    """What goes to an agent as JSON and to the system as text has to survive both."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            _check_travels(key, path)
            _check_travels(below, f"{path}.{_key(key)}")
    elif isinstance(value, list):
        for index, below in enumerate(value):
            _check_travels(below, f"{path}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise SpecError(f"{path}: expected a finite number, got {value}")
    elif isinstance(value, int) and value.bit_length() >= 64:
        raise SpecError(f"{path}: expected a number within 64 bits, got {shown(value)}")
    elif isinstance(value, str) and not _is_text(value):
        raise SpecError(f"{path}: expected text without NUL and lone surrogates")


def _is_text(value: str) -> bool:
    return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _key(key: object) -> str:
    text = shown(key)[1:-1]
    return text if text.replace("_", "").replace("-", "").isalnum() else f'"{text}"'


def _meant(key: object, fields: Mapping[str, object]) -> str:
    return hint(key, fields).removeprefix(shown(key))


def _words(kind: inspect.Type) -> str:
    return WORDS[type(kind)](kind)


def _metadata(kind: inspect.Metadata) -> str:
    description = (kind.extra_json_schema or {}).get("description")
    return str(description) if description else _words(kind.type)


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    signs = (("≥", kind.ge), (">", kind.gt), ("≤", kind.le), ("<", kind.lt))
    return " and ".join(f"{sign} {limit}" for sign, limit in signs if limit is not None)


def _union(kind: inspect.UnionType) -> str:
    return " or ".join(
        _words(member) for member in kind.types if not isinstance(member, inspect.NoneType)
    )


def _literal(kind: inspect.LiteralType) -> str:
    return f"one of {', '.join(shown(value) for value in kind.values)}"


WORDS: Final[dict[type[inspect.Type], Callable[[Any], str]]] = {
    inspect.BoolType: lambda _: "true or false",
    inspect.DictType: lambda kind: f"a table of {_words(kind.value_type)}",
    inspect.FloatType: lambda kind: f"a number {_bounds(kind)}".rstrip(),
    inspect.IntType: lambda kind: f"a whole number {_bounds(kind)}".rstrip(),
    inspect.ListType: lambda kind: f"a list of {_words(kind.item_type)}",
    inspect.LiteralType: _literal,
    inspect.Metadata: _metadata,
    inspect.StrType: lambda _: "text",
    inspect.StructType: lambda _: "a table",
    inspect.UnionType: _union,
}
"""How each sort of type is said."""
