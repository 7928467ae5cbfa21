"""What cleaning did to the data, as one struct: the report is written from it, as JSON and HTML."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from .account import Sample, Shape, ShardAccount, StepAccount, added
from .dataset import REPORT
from .plan import Plan
from .shard import reasons
from .spec import Prepare

PAGE: Final = "report.html"
FIRST: Final = 20
"""Rows kept aside that the report itself shows; aside.jsonl has all."""


class SourceReport(msgspec.Struct, frozen=True):
    """Where rows came from, on what terms, and how many were of use."""

    name: str
    paths: list[str]
    licence: str
    weight: float
    files: int
    size: int
    """Bytes read."""

    rows: int
    """That could be read."""

    aside: int
    dropped: int
    """By a step."""


class AsideRow(msgspec.Struct, frozen=True):
    """One row that could not be used, as aside.jsonl has it."""

    place: str
    source: str
    why: str
    beginning: str = ""


class Aside(msgspec.Struct, frozen=True):
    """Rows that could not be used."""

    rows: int
    reasons: dict[str, int]
    first: list[AsideRow]


class Report(msgspec.Struct, frozen=True):
    """The whole of it. What differs from run to run, as the time that a step took, is in the log
    and the job's results: equal data by equal steps are the same artifact.
    """

    dataset: str
    shards: int
    sources: list[SourceReport]
    steps: list[StepAccount]
    aside: Aside
    before: Shape
    """Of all rows that could be read."""

    after: Shape
    """Of all rows of the dataset."""

    parts: dict[str, Shape]
    labels_conflict: int
    """Rows that repeat a text with another label."""

    format: int = 1


def sources_of(
    asked: Prepare, plan: Plan, accounts: Sequence[ShardAccount], dropped: Sequence[int]
) -> list[SourceReport]:
    """Each source of the spec.

    Args:
        asked: the spec.
        plan: its shards.
        accounts: of all shards, in order.
        dropped: rows of each source that a step which sees all rows dropped.
    """
    told = []
    for number, source in enumerate(asked.sources):
        own = [account for account in accounts if account.source == number]
        files = {p.path for s in plan.shards if s.source == number for p in s.pieces}
        rows = sum(account.before.rows for account in own)
        told.append(
            SourceReport(
                name=source.name,
                paths=[source.path] if isinstance(source.path, str) else source.path,
                licence=source.licence,
                weight=source.weight,
                files=len(files),
                size=sum(account.size for account in own),
                rows=rows,
                aside=sum(account.aside for account in own),
                dropped=rows - sum(account.after.rows for account in own) + dropped[number],
            )
        )
    return told


def aside_of(accounts: Sequence[ShardAccount], path: Path) -> Aside:
    """What was kept aside, with the first rows of the file that has all."""
    first: list[AsideRow] = []
    with path.open("rb") as file:
        for line in file:
            if len(first) == FIRST:
                break
            first.append(msgspec.json.decode(line, type=AsideRow))
    return Aside(sum(account.aside for account in accounts), reasons(accounts), first)


def all_steps(
    accounts: Sequence[ShardAccount],
    later: Sequence[StepAccount],
    samples: dict[str, list[Sample]],
    most: int,
) -> list[StepAccount]:
    """The steps in the order in which they went, those that see all rows with their samples."""
    for step in later:
        step.samples = samples.get(step.name, [])
    return [*added(accounts, most), *later]


def summed(shapes: Sequence[Shape]) -> Shape:
    """All of them as one."""
    whole = Shape()
    for shape in shapes:
        whole.add(shape)
    return whole


def write_report(report: Report, folder: Path) -> None:
    """Writes report.json and report.html."""
    from .page import page

    said = msgspec.to_builtins(report)
    for step in said["steps"]:
        del step["seconds"]
    text = msgspec.json.format(msgspec.json.encode(said), indent=2)
    (folder / REPORT).write_bytes(text + b"\n")
    (folder / PAGE).write_text(page(report), "utf-8")
