"""`llmos artifacts` and `llmos artifact`: what jobs have registered, listed, shown and named."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from llmos.agents.protocol.artifacts import ArtifactVersion, Lineage, digest_of
from llmos.console.cli import lineagetree
from llmos.tests.conftest import FrontDoor

Spec = Callable[[str], str]
Until = Callable[[str, str], dict[str, Any]]
Conforms = Callable[[object, str], None]

REGISTERS = """
import json, os, pathlib
task = pathlib.Path(os.environ["LLMOS_TASK"])
def made(name, content, *parents, **said):
    said |= dict(what="artifact", name=name, digest="sha256:" + content * 64, size=2**20)
    said |= dict(uri=os.environ["LLMOS_ARTIFACTS"])
    said |= dict(parents=[{"digest": "sha256:" + p * 64, "role": "data"} for p in parents])
    with open(task / "progress" / "rank-0.jsonl", "a") as file:
        file.write(json.dumps(said) + "\\n")
made("raw", "a", kind="dataset")
made("reviews", "b", "a", kind="model", metrics={"f1": 0.75}, aliases=["champion"])
made("reviews", "c", "a", kind="model", tags={"task": "ner"})
made("verdict", "d", "b", "c", kind="report")
"""


@pytest.fixture
def registered(llmos: FrontDoor, spec: Spec, until_state: Until) -> FrontDoor:
    """The front door of an agent that has run a job which made four artifacts."""
    llmos.environment.pop("LLMOS_ARTIFACTS", None)
    llmos("submit", spec(REGISTERS))
    until_state("1", "succeeded")
    return llmos


def test_artifacts_are_listed_shown_and_named(registered: FrontDoor, conforms: Conforms) -> None:
    llmos = registered
    listed = json.loads(llmos("artifacts", "--json"))
    conforms(listed, "artifacts")
    names = [(one["name"], one["version"]) for one in listed["artifacts"]]
    assert names == [("verdict", 1), ("reviews", 2), ("reviews", 1), ("raw", 1)]
    assert {one["uri"] for one in listed["artifacts"]} == {f"file://{llmos.state}/artifacts"}
    assert (llmos.state / "artifacts").stat().st_mode & 0o777 == 0o700
    table = llmos("artifacts", "reviews")
    assert [row.split()[0] for row in table.splitlines()] == ["ARTIFACT", "reviews@2", "reviews@1"]
    assert "champion" in table

    shown = json.loads(llmos("artifact", "reviews@champion", "--json"))
    conforms(shown, "artifact")
    assert (shown["artifact"]["version"], shown["artifact"]["metrics"]) == (1, {"f1": 0.75})
    said = llmos("artifact", "reviews@1")
    for part in ("reviews@1", "champion", "1M", "job 1", "f1  0.75", "sha256:" + "a" * 64):
        assert part in said

    moved = llmos.run("artifact", "alias", "reviews@2", "champion")
    assert moved.stderr == "reviews@champion is version 2 now\n"
    assert "task=ner" in llmos("artifact", "reviews@champion")
    llmos("artifact", "alias", "--remove", "reviews@champion")
    said = llmos.error("artifact", "reviews@champion", code=1)
    assert said == "there is no artifact reviews@champion; `llmos artifacts` lists them"


def test_lineage_is_a_tree_both_ways(registered: FrontDoor, conforms: Conforms) -> None:
    lineage = json.loads(registered("artifact", "reviews@champion", "--lineage", "--json"))
    conforms(lineage, "lineage")
    assert lineage["lineage"]["root"] == "sha256:" + "b" * 64
    assert registered("artifact", "reviews@champion", "--lineage").splitlines() == [
        "reviews@1  model came from",
        "└── raw@1  dataset  data",
        "reviews@1  model became",
        "└── verdict@1  report",
    ]


def test_a_lineage_that_meets_again_is_shown_once() -> None:
    a, b, c, d = (digest_of(name.encode()) for name in "abcd")
    made = {"kind": "data", "uri": "", "created": 1.0}
    versions = [
        ArtifactVersion(name=name, version=1, digest=digest, **made)  # type: ignore[arg-type]
        for name, digest in [("a", a), ("b", b), ("c", c), ("twin", c)]
    ]
    edges = [(a, b, "left"), (a, c, "right"), (b, d, ""), (c, b, ""), (d, a, "")]
    told = lineagetree.text(Lineage(root=a, versions=versions, edges=edges)).splitlines()
    assert told[: told.index("a@1  data became")] == [
        "a@1  data came from",
        "├── b@1  data  left",
        f"│   └── {d[:19]}…",
        "│       └── a@1  data  …",
        "└── c@1, twin@1  data  right",
        "    └── b@1  data  …",
    ]
    alone = Lineage(root=a, versions=versions[:1], edges=[])
    assert lineagetree.text(alone) == "a@1  data came from nothing that is known"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["artifact"], "REF"),
        (["artifact", "alias", "m@1"], "expected REF ALIAS, or --remove NAME@ALIAS"),
        (["artifact", "alias", "--remove", "m@1"], "expected REF ALIAS, or --remove NAME@ALIAS"),
        (["artifact", "alias", "--remove", "m@a", "b"], "expected REF ALIAS, or --remove"),
        (["--readonly", "artifact", "alias", "m@1", "a"], "artifact alias changes something"),
    ],
)
def test_words_that_are_off(llmos: FrontDoor, words: list[str], says: str) -> None:
    assert says in llmos.error(*words, code=2)
    assert list(llmos.state.iterdir()) == []


def test_nothing_is_said_to_be_nothing(llmos: FrontDoor) -> None:
    assert llmos("artifacts") == "No artifacts yet: jobs register what they make.\n"
    assert "No artifact is called m" in llmos("artifacts", "m")
    assert json.loads(llmos("artifacts", "--json"))["artifacts"] == []
    assert 'got "a b"' in llmos.error("artifact", "a b", code=2)
