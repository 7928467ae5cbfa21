"""A file's record made a row of the dataset, by what the source says of its columns."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from ..rows import Aside, Piece, Record, Row, beginning, place_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..spec import Rule, Source


def row_of(record: Record, piece: Piece, source: Source) -> Row | Aside:
    """The row, or why there is none."""
    named = source.columns
    text = record.values.get(source.text_column)
    if not isinstance(text, str):
        why = "is missing" if text is None else "is no text"
        return Aside(record.at, f"column {source.text_column} {why}", beginning(str(record.values)))
    if not text.strip():
        return Aside(record.at, f"column {source.text_column} is empty")
    if not text.isascii() and not _is_unicode(text):
        return Aside(record.at, "has a lone surrogate", beginning(text))
    more = {name: plain(record.values.get(column)) for name, column in named.items()}
    more.pop("text", None)
    label = more.pop("label", None) if source.label_from == "column" else _given(piece, source)
    if source.label_from == "rules":
        label = by_rules(text, source.rules)
        if label is None:
            return Aside(record.at, "no rule, or as many against as for, says a label", text[:200])
    if label is None and source.has_label:
        return Aside(record.at, f"column {named.get('label')} has no label", beginning(text))
    return Row(place_of(piece.name, record.at), text, label, more)


def by_rules(text: str, rules: Sequence[Rule]) -> str | None:
    """The label that most rules speak for; None if none does, or two labels have as many."""
    votes = Counter(rule.label for rule in rules if re.search(rule.pattern, text))
    first = votes.most_common(2)
    if not first or (len(first) == 2 and first[0][1] == first[1][1]):
        return None
    return first[0][0]


def plain(value: object) -> str | None:
    """A value as text; None if it has none. 1 and 1.0 are the same label."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        if value != value:
            return None
        return str(int(value)) if value.is_integer() else str(value)
    return None if value is None else str(value)


def _given(piece: Piece, source: Source) -> str:
    return source.name if source.label_from == "source" else Path(piece.path).parent.name


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
