"""A job that is being written: its table, the text of each field, and what is off in it."""

import tomllib
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path as FilePath
from typing import Any, Final, NamedTuple

import msgspec

from ...agents.errors import SpecError
from ...agents.protocol.jobs import JobRequest
from ...engine import specs
from ...engine.catalog import kind_named
from . import values
from .document import document
from .fields import USUAL, Field, Group, Path, groups_of, place_of

Table = dict[str, Any]
ABSENT: Final = object()
PROGRAMS: Final[tuple[Path, ...]] = (("command", "script"), ("command", "module"))
"""What a command is called for."""


class Fault(NamedTuple):
    """What is off."""

    place: str
    """Its path, as "$.train.steps"."""

    text: str
    """The whole line."""

    @property
    def short(self) -> str:
        """Without the path, for beside the field."""
        return self.text.removeprefix(f"{self.place}: ")


class Draft:
    """A spec under way. Every field has a text; an empty one says nothing, and the default holds.

    `table` is what the texts come to. What no field can show, as a key that there is not, stays in
    it, and the checks tell of it.
    """

    def __init__(
        self,
        table: Table,
        source: str | None = None,
        text: str | None = None,
        stem: str | None = None,
    ) -> None:
        self.kind = str(table.get("kind"))
        self.struct = kind_named(table.get("kind")).spec().SPEC
        self.groups = groups_of(self.struct)
        self.source = source
        """The file or "@NAME" that it began with, as `llmos run` takes it; None for none."""

        self.stem = stem
        """What the job is called where its spec does not say: the name of the spec's file."""

        self.origin: str | None = None
        """The job that it is like."""

        self.said = deepcopy(table)
        """What the source says, or nothing but the kind."""

        self.table = table
        self.fields: dict[Path, Field] = {
            field.path: field for group in self.groups for field in group.fields
        }
        self.initial = self._texts()
        self.texts = dict(self.initial)
        self._first: Table = deepcopy(table)
        self._unread: dict[Path, str] = {}
        self._document = text

    @classmethod
    def of_table(cls, table: Table) -> "Draft":
        """One that no file says: a kind alone, or a whole spec. Raises SpecError: no such kind."""
        draft = cls(table)
        draft.said = {"kind": draft.kind}
        return draft

    @classmethod
    def of_request(cls, request: JobRequest) -> "Draft":
        """One like a job that there was, without what is so by default. Raises SpecError."""
        draft = cls.of_table({**deepcopy(request.spec), "kind": request.kind})
        for path, field in draft.fields.items():
            value = lookup(draft.table, path)
            if value is None or (not field.required and values.same(value, field.default)):
                put(draft.table, path, ABSENT)
        clone = cls.of_table(draft.table)
        clone.origin = request.source
        return clone

    @classmethod
    def of_source(cls, source: str, folder: FilePath) -> "Draft":
        """One that begins as a file or an example does. Raises SpecError: it cannot be read."""
        path = specs.locate(source, folder)
        table = specs.read(path)
        if "kind" not in table:
            raise SpecError("$.kind: missing, expected the name of a kind")
        text = path.read_text("utf-8-sig") if path.suffix == ".toml" else None
        return cls(table, source, text, path.stem)

    def set(self, path: Path, text: str) -> None:
        """A field's text was changed."""
        field = self.fields[path]
        self.texts[path] = text
        self._unread.pop(path, None)
        if text == self.initial[path]:
            put(self.table, path, lookup(self._first, path))
        elif not text:
            put(self.table, path, ABSENT)
        else:
            try:
                put(self.table, path, values.read(field.shape, text))
            except ValueError as error:
                self._unread[path] = f"{field.place}: {error}"

    def changed(self, path: Path) -> bool:
        """Whether it differs from what the form began with."""
        return self.texts[path] != self.initial[path]

    @property
    def says_anything(self) -> bool:
        """Whether it says more than its kind."""
        return self.table.keys() != {"kind"}

    @property
    def touched(self) -> bool:
        """Whether it differs from what it began as."""
        return bool(self._unread) or not values.same(self.table, self._first)

    def first(self, group: Group) -> tuple[Field, ...]:
        """The fields of a table that are shown at once: needed, said, changed, or of the usual.

        Of a table that the kind is about, and of which nothing is needed or said, all are.
        """
        chosen = tuple(
            field for field in group.fields if field.required or self.initial[field.path]
        )
        if not chosen and group.required and group.path:
            chosen = group.fields
        return tuple(
            field
            for field in group.fields
            if field in chosen or field.path in USUAL or self.changed(field.path)
        )

    def replace(self, text: str) -> "Draft":
        """What a person wrote instead of the whole spec; another draft where the kind is another.

        Raises SpecError: it is no TOML, and nothing is changed.
        """
        try:
            table = tomllib.loads(text)
        except RecursionError:
            raise SpecError("nested too deep") from None
        except ValueError as error:
            raise SpecError(" ".join(str(error).split())) from None
        if "kind" not in table:
            raise SpecError("$.kind: missing, expected the name of a kind")
        draft = self if table["kind"] == self.kind else Draft.of_table(table)
        draft.take(table)
        draft._document = text
        return draft

    def take(self, table: Table) -> None:
        """Another table of the same kind in place of what there is."""
        self.table = self._without_empty(table)
        self._unread.clear()
        self.texts = self._texts()

    def document(self) -> str:
        """The spec as TOML: the person's own text, as long as it says the same."""
        if self._document is not None:
            try:
                if values.same(self._without_empty(tomllib.loads(self._document)), self.table):
                    return self._document
            except (ValueError, RecursionError):
                pass
        return document(self.struct, self.table)

    def faults(self) -> dict[str, Fault]:
        """What is off, by place, as far as it can be seen without looking at files.

        Each field by itself; and if all are fit, the spec as a whole.
        """
        found = dict(self._unread)
        for path, field in self.fields.items():
            value = lookup(self.table, path)
            if path not in found and value is not ABSENT:
                try:
                    field.check(value)
                except SpecError as error:
                    found[path] = str(error)
        if found:
            placed = {path: place_of(path) for path in self.fields if path in found}
            return {place: Fault(place, found[path]) for path, place in placed.items()}
        try:
            specs.validate(self.whole())
        except SpecError as error:
            fault = self.fault(str(error))
            return {fault.place: fault}
        return {}

    def fault(self, text: str) -> Fault:
        """An error's line, with the place that it names: the field's, if it lies in one."""
        place = text.partition(": ")[0] if text.startswith("$") else "$"
        for field in self.fields.values():
            if place == field.place or place.startswith((f"{field.place}.", f"{field.place}[")):
                return Fault(field.place, text)
        return Fault(place, text)

    def whole(self) -> Table:
        """The spec that would be submitted: with a name, and the tables that it needs."""
        table = deepcopy(self.table)
        for group in self.groups:
            if group.required and group.path and lookup(table, group.path) is ABSENT:
                put(table, group.path, {})
        table.setdefault("name", self._called())
        return table

    def _called(self) -> str:
        """The name where the spec says none: its file's, its script's, or the kind."""
        program = (lookup(self.table, path) for path in PROGRAMS)
        named = next((text for text in program if text and isinstance(text, str)), "")
        return self.stem or FilePath(named).stem or self.kind

    def request(self, folder: FilePath) -> JobRequest:
        """The job that it asks for. Raises SpecError; looks at the files that it names."""
        if self._unread:
            raise SpecError(next(iter(self._unread.values())))
        asked = specs.request(specs.validate(self.whole()), folder)
        return msgspec.structs.replace(asked, source=self.origin)

    def _texts(self) -> dict[Path, str]:
        return {path: self._text(field) for path, field in self.fields.items()}

    def _text(self, field: Field) -> str:
        value = lookup(self.table, field.path)
        return "" if value is ABSENT else values.write(field.shape, value)

    def _without_empty(self, table: Table) -> Table:
        """A header without a key below says nothing."""
        for group in sorted(self.groups, key=lambda group: -len(group.path)):
            if group.path and lookup(table, group.path) == {}:
                put(table, group.path, ABSENT)
        return table


def lookup(table: object, path: Path) -> Any:
    """The value at a path, or ABSENT."""
    for key in path:
        if not isinstance(table, Mapping) or key not in table:
            return ABSENT
        table = table[key]
    return table


def put(table: Table, path: Path, value: object) -> None:
    """Set or, with ABSENT, remove the value at a path; tables that are left empty go with it."""
    key, *below = path
    if not below:
        if value is ABSENT:
            table.pop(key, None)
        else:
            table[key] = value
        return
    inner = table.get(key)
    if not isinstance(inner, dict):
        if value is ABSENT:
            return
        inner = table[key] = {}
    put(inner, tuple(below), value)
    if not inner:
        del table[key]
