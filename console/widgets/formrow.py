"""A line of a form: a field's name, what is typed for it, and below it what is off."""

from typing import Final

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, Static

from ..forms import values
from ..forms.fields import Field
from ..forms.fields import Path as FieldPath
from .formchoice import Choice
from .glyphs import glyphs
from .pen import spoken

UNSET: Final = "default"
"""The choice of a field whose default is no value of its own."""


SIGNS: Final = str.maketrans({"≥": ">=", "≤": "<="})


def told(text: str) -> str:
    """Words of a spec's checks and docstrings, as this terminal can show them."""
    marks = glyphs()
    return spoken(text.translate(SIGNS) if marks.name == "ascii" else text, marks)


class FormRow(Vertical):
    """One field. It knows its text and no more: what is off in it, it is told."""

    DEFAULT_CSS = """
    FormRow, FormRow Horizontal { height: auto; }
    FormRow .name { width: 20; color: $dim; }
    FormRow Input { width: 1fr; }
    FormRow .fault { color: $bad; height: auto; padding-left: 21; display: none; }
    FormRow.-changed .name { color: $title; text-style: bold; }
    FormRow.-bad .name { color: $bad; text-style: bold; }
    FormRow.-bad .fault { display: block; }
    """

    class Changed(Message):
        """A person typed or picked something."""

        def __init__(self, path: FieldPath, text: str) -> None:
            super().__init__()
            self.path = path
            self.text = text

    def __init__(self, field: Field, text: str) -> None:
        super().__init__()
        self.field = field
        self._text = text
        self._shown: tuple[bool, str] | None = None
        self._label = Static(classes="name", markup=False)
        self._fault = Static(classes="fault", markup=False)
        self._control = self._choice() if field.shape.sort == "choice" else self._input()

    def compose(self) -> ComposeResult:
        """Name and control, and a line for what is off."""
        with Horizontal():
            yield self._label
            yield self._control
        yield self._fault

    def take_keys(self) -> None:
        """Have the keys."""
        self._control.focus()

    def show(self, text: str, *, changed: bool, fault: str) -> None:
        """The text where another one than is typed is meant, and how it stands with it."""
        if text != self._text:
            self._text = text
            with self.prevent(Input.Changed):
                self._control.value = text if isinstance(self._control, Input) else self._of(text)
        if (changed, fault) == self._shown:
            return
        self._shown = changed, fault
        self.set_class(changed, "-changed")
        self.set_class(bool(fault), "-bad")
        marks = glyphs()
        mark = marks.bad if fault else marks.bullet if changed else " "
        self._label.update(f"{mark} {self.field.name}")
        self._fault.update(told(fault))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Something was typed."""
        event.stop()
        self._tell(event.value)

    def on_choice_changed(self, event: Choice.Changed) -> None:
        """Something was picked."""
        event.stop()
        self._tell("" if event.value == self._of("") else event.value)

    def _tell(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self.post_message(self.Changed(self.field.path, text))

    def _input(self) -> Input:
        hint = "needed" if self.field.required else self._default
        return Input(self._text, placeholder=hint, select_on_focus=False)

    def _choice(self) -> Choice:
        shape = self.field.shape
        texts = tuple(values.write(shape, value) for value in shape.choices if value is not None)
        unset = () if self._of("") in texts else (self._of(""),)
        return Choice((*unset, *texts), self._of(self._text))

    def _of(self, text: str) -> str:
        """What a choice shows for a text: for none, the default."""
        return text or self._default

    @property
    def _default(self) -> str:
        default = self.field.default
        if default in (None, "", [], {}):
            numeric = self.field.shape.sort in ("number", "choice")
            return UNSET if default is None and numeric else ""
        return values.write(self.field.shape, default)
