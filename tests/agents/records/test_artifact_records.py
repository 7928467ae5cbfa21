"""The index of artifacts: versions, aliases, and what came from what."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmos.agents.errors import RequestRefused
from llmos.agents.protocol.artifacts import (
    AliasMove,
    ArtifactLine,
    Parent,
    Reference,
    digest_of,
    parsed_reference,
)
from llmos.agents.records.artifacts import ArtifactRecords, storable
from llmos.agents.records.database import Database


@pytest.fixture
def records(tmp_path: Path) -> Iterator[ArtifactRecords]:
    with contextlib.closing(Database.open(tmp_path)) as database:
        yield ArtifactRecords(database)


def digest(content: str) -> str:
    return digest_of(content.encode())


def line(name: str, content: str, *parents: str, **said: Any) -> ArtifactLine:
    return ArtifactLine(
        name=name,
        kind="model",
        digest=digest(content),
        uri="file:///store",
        parents=[Parent(digest(parent), "data") for parent in parents],
        **said,
    )


def found(records: ArtifactRecords, text: str) -> int | None:
    version = records.find(parsed_reference(text))
    return version.version if version else None


def test_a_version_is_stored_whole(records: ArtifactRecords):
    said = line("m", "x", "d", size=5, files=2, metrics={"f1": 0.5}, tags={"task": "ner"}, code="c")
    version = records.register(said, "7", "ann", 10.0)
    assert (version.version, version.job, version.user, version.created) == (1, "7", "ann", 10.0)
    assert (version.size, version.files, version.metrics) == (5, 2, {"f1": 0.5})
    assert (version.tags, version.code, version.parents) == ({"task": "ner"}, "c", said.parents)
    assert records.versions() == records.versions("m") == [version]
    assert records.versions("other") == []


@pytest.mark.parametrize("job", ["7", None])
def test_the_same_again_is_the_same_version(records: ArtifactRecords, job: str | None):
    first = records.register(line("m", "x", aliases=["best"]), job, "ann", 10.0)
    records.register(line("m", "y"), job, "ann", 11.0)
    records.move_alias("m", "best", AliasMove(version=2, before=1))
    again = records.register(line("m", "x", aliases=["best"]), job, "ann", 12.0)
    assert (again.version, again.created, first.aliases) == (1, 10.0, ["best"])
    assert found(records, "m@best") == 2


def test_versions_count_up_for_each_name_and_job(records: ArtifactRecords):
    numbers = [
        records.register(line(name, "x"), job, "u", 1.0).version
        for name, job in [("a", "1"), ("a", "2"), ("b", "1"), ("a", None)]
    ]
    assert numbers == [1, 2, 1, 3]
    assert [(one.name, one.version) for one in records.versions(limit=2)] == [("a", 3), ("b", 1)]


def test_references_find_what_they_name(records: ArtifactRecords):
    records.register(line("m", "x", aliases=["best", "first"]), "1", "u", 1.0)
    records.register(line("m", "y"), "1", "u", 2.0)
    names = ["m", "m@1", "m@best", digest("x"), "m@3", "m@0", "m@worst", "n", digest("z")]
    names.append("m@" + "9" * 40)
    assert [found(records, name) for name in names] == [2, 1, 1, 1, *[None] * 6]
    assert records.versions("m")[1].aliases == ["best", "first"]


def test_an_alias_moves_only_from_where_it_is_thought_to_point(records: ArtifactRecords):
    for content in "xy":
        records.register(line("m", content), "1", "u", 1.0)
    records.move_alias("m", "best", AliasMove(version=1))
    with pytest.raises(
        RequestRefused, match=r"m@best points to version 1 by now, not to no v"
    ) as e:
        records.move_alias("m", "best", AliasMove(version=2))
    assert e.value.status == 409
    records.move_alias("m", "best", AliasMove(version=2, before=1))
    assert found(records, "m@best") == 2
    records.move_alias("m", "best", AliasMove(version=None, before=2))
    assert found(records, "m@best") is None
    with pytest.raises(RequestRefused, match="points to no version by now, not to version 2"):
        records.move_alias("m", "best", AliasMove(version=1, before=2))


@pytest.mark.parametrize(
    ("name", "alias", "version", "status"),
    [
        ("m", "best", 2, 404),
        ("m", "best", -1, 404),
        ("m", "best", 2**70, 404),
        ("n", "best", 1, 404),
        ("m", "12", 1, 400),
    ],
)
def test_an_alias_points_to_what_there_is(
    records: ArtifactRecords, name: str, alias: str, version: int, status: int
):
    records.register(line("m", "x"), "1", "u", 1.0)
    with pytest.raises(RequestRefused) as refused:
        records.move_alias(name, alias, AliasMove(version=version))
    assert refused.value.status == status
    assert records.versions("m")[0].aliases == []


def test_lineage_goes_both_ways_and_not_sideways(records: ArtifactRecords):
    for name, content, *parents in [
        ("data", "clean", "raw"),
        ("model", "m1", "clean", "weights"),
        ("model", "sibling", "clean"),
        ("report", "r", "m1"),
    ]:
        records.register(line(name, content, *parents), "1", "u", 1.0)
    lineage = records.lineage(digest("m1"))
    assert lineage.root == digest("m1")
    assert [one.name for one in lineage.versions] == ["data", "model", "report"]
    assert lineage.edges == [
        (digest(child), digest(parent), "data")
        for child, parent in [("clean", "raw"), ("m1", "clean"), ("m1", "weights"), ("r", "m1")]
    ]
    assert records.lineage(digest("nobody")).versions == []


def test_lineage_of_a_loop_ends(records: ArtifactRecords):
    for content, parent in [("a", "b"), ("b", "a"), ("a", "a")]:
        records.register(line("x", content, parent), content + parent, "u", 1.0)
    lineage = records.lineage(digest("a"))
    assert {edge[:2] for edge in lineage.edges} == {
        (digest("a"), digest("b")),
        (digest("b"), digest("a")),
    }


def test_needed_is_what_an_alias_or_a_job_needs_and_what_that_came_from(records: ArtifactRecords):
    for job, content, *parents in [
        ("1", "clean", "raw"),
        ("2", "champion", "clean"),
        ("3", "failed", "clean", "weights"),
        ("4", "other"),
    ]:
        records.register(line(content, content, *parents), job, "u", 1.0)
    records.move_alias("champion", "best", AliasMove(version=1))
    needed = {digest(content) for content in ("champion", "clean", "raw")}
    assert records.digests_needed() == needed
    more = {digest("failed"), digest("weights")}
    assert records.digests_needed(jobs=["3", ""]) == needed | more


def test_what_cannot_be_sent_on_is_not_stored():
    nan = float("nan")
    assert storable(line("m", "x", metrics={"loss": nan, "f1": 0.5})).metrics == {"f1": 0.5}
    for said in ({"size": -1}, {"files": 2**63}, {"code": "\ud800"}, {"aliases": ["12"]}):
        with pytest.raises(ValueError, match=r"expected|surrogates"):
            storable(line("m", "x", **said))


def test_a_reference_to_nothing_finds_nothing(records: ArtifactRecords):
    assert records.find(Reference()) is None
