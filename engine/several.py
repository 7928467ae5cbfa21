"""The jobs that one spec asks for: one, one for each setting of a matrix, or a list of jobs.

A list, `[[jobs]]`, is a spec for each, in the order in which they are handed in. Each has a name,
and `after` may give those of jobs above it. Where such a job names an artifact without a version,
it reads what a job that it comes after has made.
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Final

import msgspec

from ..agents.errors import SpecError
from ..agents.protocol.jobs import JobRequest
from .matrix import combinations
from .nearest import hint
from .specs import Table, locate, override, read, request, validate

MOST_LISTED: Final = 100
"""Jobs in one list."""

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
"""Of a listed job: never to be taken for a job's id, and without the dots of a setting's key."""


def job_requests(
    source: str,
    overrides: Sequence[str] = (),
    matrix: Sequence[str] = (),
    after: Sequence[str] = (),
    folder: Path | None = None,
) -> list[JobRequest]:
    """What an agent is asked for a spec.

    Args:
        source: path of a .toml or .json file, or "@NAME" for an example.
        overrides: "a.b=value" each, the value in TOML, or else text. Of a list of jobs,
            "NAME.a.b=value" changes that job, and any other key every one.
        matrix: "a.b=v1,v2" each; the last one's values change fastest. Each job's name tells its
            values, and `array` is the name without them.
        after: jobs to wait for, besides those that the spec names.
        folder: what relative paths start from, in `source` and in the spec; by default the
            working directory.

    Returns:
        In the order in which they are to be handed in. `after` of a listed job may hold names of
        jobs before it, for `after_ids` to replace.

    Raises:
        SpecError: one line that names the path, the value and what was expected.
    """
    folder = Path.cwd() if folder is None else folder
    path = locate(source, folder)
    table = read(path)
    table.setdefault("name", path.stem)
    if is_list(table):
        if matrix:
            raise SpecError(f"--matrix: {source} is a list of jobs already")
        return _listed(table, overrides, after, folder)
    for text in overrides:
        override(table, text)
    _wait_for(table, after)
    if not matrix:
        return [request(validate(table), folder)]
    return [
        msgspec.structs.replace(request(validate(one), folder), array=str(table["name"]))
        for one in combinations(table, matrix)
    ]


def is_list(table: Table) -> bool:
    """Whether a spec's table is a list of jobs."""
    return "jobs" in table and "kind" not in table


def after_ids(asked: JobRequest, ids: Mapping[str, str]) -> JobRequest:
    """A listed job as an agent takes it: with the ids that the jobs before it were given.

    Args:
        asked: one of `job_requests`.
        ids: id by name, of those that were handed in before.
    """
    parted = (one.partition(":") for one in asked.after)
    after = [ids.get(name, name) + colon + rest for name, colon, rest in parted]
    return msgspec.structs.replace(asked, after=after)


def _listed(
    table: Table, overrides: Sequence[str], after: Sequence[str], folder: Path
) -> list[JobRequest]:
    name, tables = _parts(table)
    for text in overrides:
        _override(tables, text)
    requests: list[JobRequest] = []
    for called, one in tables.items():
        before = [asked.name for asked in requests]
        _wait_for(one, after)
        names = _names_out_of(one, called, before)
        try:
            asked = request(validate(one), folder)
        except SpecError as error:
            raise SpecError(f"job {called}: {error}") from None
        requests.append(msgspec.structs.replace(asked, array=name, after=[*asked.after, *names]))
    return requests


def _parts(table: Table) -> tuple[str, dict[str, Table]]:
    """The list's name, and the table of each job by its own."""
    for key in sorted(table.keys() - {"name", "jobs"}):
        raise SpecError(f"$.{key}: beside a list of jobs there is only a name; {key} is a job's")
    listed = table["jobs"]
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_LISTED:
        raise SpecError(f"$.jobs: expected a list of 1 to {MOST_LISTED} tables")
    tables: dict[str, Table] = {}
    for place, one in enumerate(listed):
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise SpecError(
                f"$.jobs[{place}].name: expected a name that begins with a letter and holds "
                f"letters, digits, _ and -, got {name!r}"
            )
        if name in tables:
            raise SpecError(f"$.jobs[{place}].name: {name} is the name of a job above")
        tables[name] = deepcopy(one)
    if not isinstance(table["name"], str):
        raise SpecError(f"$.name: expected text, got {table['name']!r}")
    return table["name"], tables


def _override(tables: dict[str, Table], text: str) -> None:
    name, _, rest = text.partition(".")
    if name in tables:
        override(tables[name], rest)
        return
    for table in tables.values():
        override(table, text)


def _names_out_of(table: Table, called: str, before: Sequence[str]) -> list[str]:
    """The names of listed jobs, taken out of a table's `after`."""
    after = table.get("after", [])
    if not isinstance(after, list):
        return []  # which `validate` says better
    named = [one for one in after if isinstance(one, str) and NAME.match(one)]
    for one in named:
        name, _, rest = one.partition(":")
        if name not in before:
            above = hint(name, before) if before else f'"{name}": it is the first'
            raise SpecError(f"job {called}: $.after: no job above is called {above}")
        if rest not in ("", "any"):
            raise SpecError(
                f'job {called}: $.after: expected "{name}" or "{name}:any", got "{one}"'
            )
    table["after"] = [one for one in after if one not in named]
    return named


def _wait_for(table: Table, jobs: Sequence[str]) -> None:
    known = table.get("after", [])
    if jobs and isinstance(known, list):
        table["after"] = [*known, *jobs]
