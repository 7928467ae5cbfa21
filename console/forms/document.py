"""A spec as TOML for a person to edit: each field with its docstring, unset ones as comments."""

from collections.abc import Iterator
from textwrap import wrap
from typing import Any, Final

import msgspec

from ...engine.catalog import Spec
from .docstrings import field_docs, title_of
from .fields import table_of
from .values import toml, toml_key

WIDTH: Final = 96


def document(struct: type[Spec], table: dict[str, Any]) -> str:
    """The whole spec. Read again it is the same table, but for headers with nothing below."""
    return "\n".join(_lines(struct, table, ())).lstrip() + "\n"


def plain(table: dict[str, Any]) -> list[str]:
    """A line for each value, without words: "train.steps = 5"."""
    return list(_dotted(table, ()))


def _lines(
    struct: type[msgspec.Struct], table: dict[str, Any], path: tuple[str, ...]
) -> Iterator[str]:
    if path:
        yield from ("", *_comment(title_of(struct)), f"[{_dots(path)}]")
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    below = {
        name: inner
        for name, field in fields.items()
        if (inner := table_of(field.type)) and isinstance(table.get(name, {}), dict)
    }
    docs = field_docs(struct)
    for name, field in fields.items():
        if name not in below:
            yield from ("", *_comment(docs.get(field.name, "")), _line(name, field, table))
    for name in table.keys() - fields.keys():
        yield from ("", f"{toml_key(name)} = {toml(table[name])}")
    for name, inner in below.items():
        optional = not isinstance(fields[name].type, type)
        if name in table or not optional:
            yield from _lines(inner, table.get(name, {}), (*path, name))


def _line(name: str, field: msgspec.structs.FieldInfo, table: dict[str, Any]) -> str:
    if name in table:
        return f"{toml_key(name)} = {toml(table[name])}"
    if field.required:
        return f"# {name} ="
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return f"# {name} =" if default is None else f"# {name} = {toml(msgspec.to_builtins(default))}"


def _dotted(table: dict[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _dotted(value, (*path, key))
        else:
            yield f"{_dots((*path, key))} = {toml(value)}"


def _dots(path: tuple[str, ...]) -> str:
    return ".".join(toml_key(key) for key in path)


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in wrap(text, WIDTH)]
