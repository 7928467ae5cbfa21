"""The docstring under each field of a struct, as a form shows it for help."""

import ast
import inspect
from functools import cache
from pathlib import Path

import msgspec


@cache
def field_docs(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Field → its docstring on one line, inherited ones among them; fields without one are absent.

    Python drops these strings, so they are read from the source. Where there is none, as in an
    install of byte code alone, there is no help and no error.
    """
    docs: dict[str, str] = {}
    for each in reversed(struct.__mro__):
        if issubclass(each, msgspec.Struct) and each is not msgspec.Struct:
            docs |= _classes_in(_source_of(each)).get(each.__name__, {})
    return docs


def title_of(struct: type[msgspec.Struct]) -> str:
    """The first sentence of a struct's own docstring."""
    first = inspect.cleandoc(struct.__doc__ or "").partition("\n\n")[0]
    return " ".join(first.split()).partition(". ")[0].rstrip(".")


def _source_of(struct: type[msgspec.Struct]) -> str | None:
    try:
        return inspect.getsourcefile(struct)
    except TypeError:
        return None


@cache
def _classes_in(source: str | None) -> dict[str, dict[str, str]]:
    """Class → field → docstring, of one file."""
    try:
        tree = ast.parse(Path(source or "").read_bytes())
    except (OSError, ValueError, SyntaxError):
        return {}
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return {node.name: _documented(node) for node in classes}


def _documented(node: ast.ClassDef) -> dict[str, str]:
    found = {}
    for field, below in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            found[field.target.id] = " ".join(below.value.value.split())
    return found
