"""The fields of a kind's spec, as a form asks for them: made from its frozen struct alone."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec

from ...engine.catalog import Spec
from ...engine.shape import check_table, expected
from . import values
from .docstrings import field_docs, title_of

Path = tuple[str, ...]
"""Keys from the top of a spec."""

FIXED: Final[frozenset[Path]] = frozenset({("kind",)})
"""Not asked for: it was chosen before."""

USUAL: Final[frozenset[Path]] = frozenset({("resources", "gpus"), ("resources", "ranks")})
"""Shown at once whatever their defaults: it is asked of every job."""


class Field(NamedTuple):
    """One value of a spec."""

    path: Path
    annotation: Any
    shape: values.Shape
    required: bool
    """Whether a spec without it is refused."""

    default: object
    """None also where there is none."""

    doc: str
    alone: type[msgspec.Struct]
    """A table with this field and no other, to check it by."""

    @property
    def name(self) -> str:
        """Its key."""
        return self.path[-1]

    @property
    def place(self) -> str:
        """As errors name it: "$.train.steps"."""
        return place_of(self.path)

    @property
    def expected(self) -> str:
        """What it takes, in words."""
        return expected(self.annotation)

    def check(self, value: object) -> None:
        """Raises SpecError, in the words of the spec's own check, for a value that is unfit."""
        check_table({self.name: value}, self.alone, place_of(self.path[:-1]))


class Group(NamedTuple):
    """A table of a spec."""

    path: Path
    """Empty for the top of a spec."""

    title: str
    """One line for people."""

    required: bool
    """Whether the spec is refused without it: it is what the kind is about."""

    fields: tuple[Field, ...]


@cache
def groups_of(struct: type[Spec]) -> tuple[Group, ...]:
    """Every table of a kind's spec: its own first, then what all specs have."""
    every = list(_groups(struct, (), "What it is called, and when it starts", required=True))
    common = {field.name for field in msgspec.structs.fields(Spec)}
    return tuple(sorted(every, key=lambda group: not group.path or group.path[0] in common))


def place_of(path: Path) -> str:
    """As errors name it: "$.train"."""
    return ".".join(("$", *path))


def _groups(
    struct: type[msgspec.Struct], path: Path, title: str, *, required: bool
) -> Iterator[Group]:
    docs = field_docs(struct)
    leaves, below = [], []
    for field in msgspec.structs.fields(struct):
        place = (*path, field.encode_name)
        table = table_of(field.type)
        if table is not None:
            needed = required and field.required
            below.append(_groups(table, place, title_of(table), required=needed))
        elif place not in FIXED:
            leaves.append(_field(place, field, docs.get(field.name, "")))
    if leaves:
        yield Group(path, title, required, tuple(leaves))
    for groups in below:
        yield from groups


def table_of(kind: Any) -> type[msgspec.Struct] | None:
    """The struct of a field that is a table, also of one that may be left out."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    tables = [table_of(member) for member in getattr(kind, "__args__", ()) if member is not kind]
    others = [member for member in getattr(kind, "__args__", ()) if member is not type(None)]
    return tables[0] if len(others) == 1 and _is_union(kind) else None


def _is_union(kind: Any) -> bool:
    return isinstance(msgspec.inspect.type_info(kind), msgspec.inspect.UnionType)


def _field(path: Path, field: msgspec.structs.FieldInfo, doc: str) -> Field:
    default = None if field.required else _default(field)
    alone = msgspec.defstruct("Alone", [(path[-1], field.type)])
    shape = values.shape_of(field.type)
    return Field(path, field.type, shape, field.required, default, doc, alone)


def _default(field: msgspec.structs.FieldInfo) -> object:
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.to_builtins(field.default_factory())
    return msgspec.to_builtins(field.default)
