"""Fields, help and headings from a kind's struct."""

from typing import Literal

import msgspec
import pytest

from llmos.agents.errors import SpecError
from llmos.console.forms.docstrings import field_docs, title_of
from llmos.console.forms.fields import groups_of, table_of
from llmos.engine.catalog import KINDS, Spec


class Inner(msgspec.Struct, frozen=True, kw_only=True):
    """A table. It has more to say."""

    size: int | None = None
    """How large,
    in cells."""

    plain: str = ""


class Own(Spec, frozen=True, kw_only=True):
    """A kind."""

    kind: Literal["own"] = "own"
    inner: Inner | None = None
    must: Inner


def fields(struct):
    return {field.path: field for group in groups_of(struct) for field in group.fields}


def leaves(struct, path=()):
    """Every path that a spec may set."""
    for field in msgspec.structs.fields(struct):
        below = table_of(field.type)
        if below:
            yield from leaves(below, (*path, field.name))
        else:
            yield (*path, field.name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_form_asks_for_everything_but_the_kind(kind):
    struct = KINDS[kind].spec().SPEC
    assert fields(struct).keys() == set(leaves(struct)) - {("kind",)}
    assert all(field.expected for field in fields(struct).values())


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_are_fit(kind):
    for field in fields(KINDS[kind].spec().SPEC).values():
        if not field.required:
            field.check(field.default)


def test_what_the_kind_is_about_comes_first():
    assert [group.path for group in groups_of(Own)][:2] == [("inner",), ("must",)]
    assert [group.required for group in groups_of(Own)][:2] == [False, True]


def test_docstrings_are_the_help():
    assert field_docs(Inner) == {"size": "How large, in cells."}
    assert field_docs(Own)["name"].startswith("What lists call the job")
    assert fields(Own)[("must", "size")].doc == "How large, in cells."
    assert title_of(Inner) == "A table"


def test_a_struct_without_source_has_no_help():
    assert field_docs(msgspec.defstruct("Made", [("size", int)])) == {}


def test_an_unfit_value_is_told_as_the_spec_would():
    with pytest.raises(SpecError) as caught:
        fields(Own)[("must", "size")].check("big")
    assert str(caught.value) == '$.must.size: expected a whole number, got "big"'
