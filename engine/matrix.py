"""A matrix of settings: one spec's table for every combination of some values."""

import itertools
import math
from collections.abc import Sequence
from copy import deepcopy
from typing import Final

from ..agents.errors import SpecError
from .specs import Table, override

MOST_JOBS: Final = 1000
"""In one matrix: more is a slip of the pen."""


def combinations(table: Table, matrix: Sequence[str]) -> list[Table]:
    """A table for each combination, its name followed by its values, as "name[lr=1e-3,seed=1]"."""
    axes = dict(map(_axis, matrix))
    if len(axes) < len(matrix):
        raise SpecError("--matrix: each key can be given once")
    number = math.prod(map(len, axes.values()))
    if number > MOST_JOBS:
        raise SpecError(f"--matrix: expected at most {MOST_JOBS} jobs, got {number}")
    labels = _labels(list(axes))
    tables = []
    for values in itertools.product(*axes.values()):
        one = deepcopy(table)
        for key, value in zip(axes, values, strict=True):
            override(one, f"{key}={value}", "--matrix")
        told = (f"{label}={value}" for label, value in zip(labels, values, strict=True))
        if isinstance(one["name"], str):
            one["name"] += f"[{','.join(told)}]"
        tables.append(one)
    return tables


def _axis(text: str) -> tuple[str, list[str]]:
    """The key and the values in "a.b=v1,v2"."""
    key, equals, values = text.partition("=")
    parted = _parted(values)
    if not equals or not key.strip() or not all(parted):
        raise SpecError(f"--matrix {text}: expected KEY.KEY=VALUE,VALUE…")
    return key.strip(), parted


def _parted(values: str) -> list[str]:
    """The values between commas, save those commas that stand in quotes or brackets."""
    parted, depth, quote = [""], 0, ""
    for letter in values:
        if letter == "," and not depth and not quote:
            parted.append("")
            continue
        parted[-1] += letter
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        else:
            depth += (letter in "[{") - (letter in "]}")
    return [value.strip() for value in parted]


def _labels(keys: list[str]) -> list[str]:
    """The last word of each key, or the whole keys where two end alike."""
    short = [key.rpartition(".")[2] for key in keys]
    return short if len(set(short)) == len(short) else keys
