"""A form over a draft: a line for each field, under a heading for each table."""

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from ..forms.draft import Draft, Fault
from ..forms.fields import Field, Group
from .formrow import FormRow, told


class Form(VerticalScroll, can_focus=False, inherit_bindings=False):
    """What the draft says. It changes nothing: a row's message tells what was typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "page_up", "Page up", show=False),
        Binding("pagedown", "page_down", "Page down", show=False),
    ]

    DEFAULT_CSS = """
    Form .heading { height: 1; }
    """

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._draft = draft
        self._rows = {
            field.path: FormRow(field, draft.texts[field.path]) for field in draft.fields.values()
        }
        self._headings = [Static(_heading(group), classes="heading") for group in draft.groups]

    def compose(self) -> ComposeResult:
        """Headings and rows."""
        for heading, group in zip(self._headings, self._draft.groups, strict=True):
            yield heading
            yield from (self._rows[field.path] for field in group.fields)

    def show(self, faults: Mapping[str, Fault], *, every: bool) -> int:
        """The draft as it is now; how many fields are folded away."""
        folded = 0
        for heading, group in zip(self._headings, self._draft.groups, strict=True):
            first = self._draft.first(group)
            shown = [
                field
                for field in group.fields
                if every or field in first or field.place in faults or self._is_focused(field)
            ]
            for field in group.fields:
                self._show_row(field, faults, shown=field in shown)
            heading.display = bool(shown)
            folded += len(group.fields) - len(shown)
        return folded

    def lead_to(self, place: str) -> None:
        """Give the keys to the field at a place, as "$.train.steps", or else to the first."""
        shown = [row for row in self._rows.values() if row.display]
        there = (row for row in shown if row.field.place == place)
        row = next(there, next(iter(shown), None))
        if row is not None:
            row.take_keys()

    def _show_row(self, field: Field, faults: Mapping[str, Fault], *, shown: bool) -> None:
        row = self._rows[field.path]
        row.display = shown
        fault = faults.get(field.place)
        said = fault.short if fault is not None else ""
        row.show(self._draft.texts[field.path], changed=self._draft.changed(field.path), fault=said)

    def _is_focused(self, field: Field) -> bool:
        """What is being typed into stays, also when it says what it did at first."""
        return self._rows[field.path].has_focus_within


def _heading(group: Group) -> Content:
    name = ".".join(group.path) or "job"
    return Content.assemble((name, "bold $title"), (f"  {told(group.title)}", "$dim"))
