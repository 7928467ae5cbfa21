"""Artifacts and Artifact: what was made, how versions compare, what came from what, who is called
what."""

import math
from typing import Any

import pytest
from msgspec import structs

from llmos.agents.errors import AgentUnreachable, RequestRefused
from llmos.agents.protocol.artifacts import (
    AliasMove,
    ArtifactVersion,
    Lineage,
    Parent,
    digest_of,
)
from llmos.console import themes
from llmos.console.cli import lineagetree
from llmos.console.screens.confirm import ConfirmScreen
from llmos.console.tables.lineage import guide, nodes
from llmos.console.widgets.glyphs import glyphs
from llmos.engine.artifacts.store import Store
from llmos.tests.console.fleets import NOW, Fleet, job
from llmos.tests.console.looking import Agent, notices, seen, settled

SMALL, LARGE = (80, 24), (200, 50)
DESCRIPTION = "Reviews told apart, great ones and others: MiniLM, all layers trained."


def version(name: str, number: int, *parents: str, **more: Any) -> ArtifactVersion:
    usual: dict[str, Any] = {
        "kind": "model",
        "digest": digest_of(f"{name}{number}".encode()),
        "uri": "s3://models",
        "created": NOW - 1000 + 10 * number,
        "job": str(number),
        "user": "ada",
        "size": 2**21,
        "files": 3,
        "parents": [Parent(digest_of(one.encode()), "data") for one in parents],
    }
    return ArtifactVersion(name=name, version=number, **(usual | more))


def made() -> list[ArtifactVersion]:
    """The newest first, as the agent tells them."""
    return [
        version("verdict", 1, "sentiment2", kind="report", created=NOW - 60, job=None),
        version(
            "sentiment",
            3,
            "reviews1",
            metrics={"f1": 0.8125, "held_out_loss": 0.5},
            tags={"task": "text", "licence": "MIT", "description": DESCRIPTION},
            aliases=["candidate", "nightly"],
        ),
        version("sentiment", 2, "reviews1", metrics={"f1": 0.75}, aliases=["champion"]),
        version("sentiment", 1, "reviews1", metrics={"f1": 0.7}, job="99"),
        version("reviews", 1, kind="dataset", created=NOW - 4000, job="7"),
    ]


class ArtifactAgent(Agent):
    """Answers what is asked of artifacts, and moves their aliases as the real one does."""

    def __init__(self, known: list[ArtifactVersion] | None = None) -> None:
        super().__init__()
        self.known = made() if known is None else known
        self.moves: list[tuple[str, str, AliasMove]] = []
        self.refuses: Exception | None = None

    async def artifacts(self, name: str | None = None) -> list[ArtifactVersion]:
        if self.refuses is not None:
            raise self.refuses
        return [one for one in self.known if name in (None, one.name)]

    async def lineage(self, reference: str) -> Lineage:
        name, _, number = reference.partition("@")
        (root,) = [one for one in self.known if (one.name, str(one.version)) == (name, number)]
        edges = [
            (one.digest, parent.digest, parent.role) for one in self.known for parent in one.parents
        ]
        return Lineage(root=root.digest, versions=self.known, edges=edges)

    async def move_alias(self, name: str, alias: str, move: AliasMove) -> None:
        self.moves.append((name, alias, move))
        if self.refuses is not None:
            refuses, self.refuses = self.refuses, None
            raise refuses


@pytest.fixture
def app(make_app):
    app = make_app(Fleet(jobs=(job("7"), job("2", "succeeded", ended=NOW))))
    app.feed.client = ArtifactAgent()
    return app


async def pressed(pilot, *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settled(pilot)
    await settled(pilot)


async def looked(pilot) -> None:
    """What is asked once the cursor rests has been told."""
    await pilot.pause(0.15)
    await pilot.app.workers.wait_for_complete()
    await settled(pilot)


async def opened(pilot, *keys: str) -> None:
    """The artifact "sentiment", then some keys."""
    await pressed(pilot, "3", "j", "enter", *keys)


async def test_names_are_listed_with_their_aliases_and_opened(app):
    async with app.run_test(size=SMALL) as pilot:
        await pressed(pilot, "3")
        lines = seen(app).splitlines()
        assert [line.split()[0] for line in lines[2:5]] == ["verdict", "sentiment", "reviews"]
        assert "@3" in lines[3]
        assert "candidate @3" in lines[3]
        assert "f1" in lines[3]
        assert "0.8125" in lines[3]
        await pressed(pilot, "j", "enter")
        assert "Artifact sentiment" in seen(app)
        await pressed(pilot, "escape", "escape")
        assert app.screen.KIND == "fleet"


async def test_the_list_is_sorted_filtered_and_copied(app):
    async with app.run_test(size=SMALL) as pilot:
        await pressed(pilot, "3", "slash", *"champion", "enter")
        assert "verdict" not in seen(app)
        assert "/champion" in seen(app).splitlines()[0]
        await pressed(pilot, "c")
        assert notices(app)[-1] == "copied: sentiment@3"
        await pressed(pilot, "escape", *[">"] * 7)
        assert seen(app).splitlines()[2].split()[0] == "reviews"


async def test_no_artifact_yet(make_app):
    app = make_app(Fleet())
    app.feed.client = ArtifactAgent([])
    async with app.run_test(size=SMALL) as pilot:
        await pressed(pilot, "3", "enter", "c")
        assert "no artifact yet: jobs that prepare, train or evaluate make them" in seen(app)
        assert "n starts one" in seen(app)


async def test_an_agent_that_is_away_says_so_in_place_of_rows(app):
    app.feed.client.refuses = AgentUnreachable("no agent at /run/llmos: it ended")
    async with app.run_test(size=SMALL) as pilot:
        await pressed(pilot, "3")
        assert "no agent at /run/llmos: it ended" in seen(app)
        assert notices(app) == []


async def test_what_registers_meanwhile_appears_and_the_cursor_stays_on_its_row(app):
    async with app.run_test(size=SMALL) as pilot:
        await pressed(pilot, "3", "j")
        app.feed.client.known.insert(0, version("spam", 1, created=NOW))
        app.screen._ask_again()
        await settled(pilot)
        assert seen(app).splitlines()[2].split()[0] == "spam"
        await pressed(pilot, "enter")
        assert "Artifact sentiment" in seen(app)


async def test_versions_stand_with_their_metrics_and_marked_ones_with_what_differs(app):
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        rows = {line.split()[0]: line for line in seen(app).splitlines() if " @" in line}
        assert "0.8125" in rows["@3"]
        assert "0.7500" in rows["@2"]
        assert "0.7000" in rows["@1"]
        assert "n/a" in rows["@2"]
        await pressed(pilot, "space", "space")
        assert "(2 marked, against @3)" in seen(app).splitlines()[0]
        lines = [line for line in seen(app).splitlines() if "▌" in line]
        assert [line.split()[1] for line in lines] == ["@3", "@2"]
        assert "-0.062" in lines[1]
        await pressed(pilot, "escape")
        assert "-0.062" not in seen(app)
        assert app.screen.KIND == "artifact"


async def test_a_metric_without_room_is_told_among_the_facts(make_app):
    many = {f"quality_of_slice_{at}": at + 0.5 for at in range(7)}
    better = {name: value + 1 for name, value in many.items()}
    app = make_app(Fleet())
    app.feed.client = ArtifactAgent(
        [version("m", 2, metrics=better), version("m", 1, metrics=many)],
    )
    async with app.run_test(size=SMALL) as pilot:
        await pressed(pilot, "3", "enter", "space")
        assert "quality of slice 6 6.5" in seen(app)
        await pressed(pilot, "space", "end")
        assert "quality of slice 6 6.5 (-1)" in seen(app)


async def test_what_is_told_of_a_version(app):
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot)
        for part in (DESCRIPTION, "licence MIT", "task text", "by job 3", "store s3://models"):
            assert part in seen(app)
        await pressed(pilot, "j")
        assert "licence not said" in seen(app)


async def test_enter_goes_to_the_job_that_made_it(app):
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, "j", "enter")
        assert "Job 2" in seen(app)
        await pressed(pilot, "escape", "j", "enter")
        assert notices(app)[-1] == "job 99 is not known here any more"
        await pressed(pilot, "3", "g", "enter", "enter")
        assert notices(app)[-1] == "verdict@1 was imported: no job made it"
        assert app.screen.KIND == "artifact"


async def test_lineage_is_a_tree_both_ways_that_one_walks(app):
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, "j")
        await looked(pilot)
        await pressed(pilot, "tab")
        shown = [line.strip() for line in seen(app).splitlines()]
        at = next(row for row, line in enumerate(shown) if line.startswith("LINEAGE"))
        said = [line[:24].rstrip() for line in shown[at + 1 : at + 5]]
        assert said[:4] == [
            "sentiment@2 came from",
            "└── reviews@1",
            "sentiment@2 became",
            "└── verdict@1",
        ]
        await pressed(pilot, "j", "c")
        assert notices(app)[-1] == "copied: reviews@1"
        await pressed(pilot, "enter")
        assert "Artifact reviews" in seen(app)
        await pressed(pilot, "escape")
        assert "Artifact sentiment" in seen(app)


def test_the_tree_is_that_of_the_command_line():
    """Names that meet again, loops, and digests without a name."""
    a, b, c, d = (digest_of(name.encode()) for name in "abcd")
    made = {"kind": "data", "uri": "", "created": 1.0}
    names = {"a": a, "b": b, "c": c, "twin": c}
    versions = [
        ArtifactVersion(name=name, version=1, digest=digest, **made)  # type: ignore[arg-type]
        for name, digest in names.items()
    ]
    edges = [(a, b, "left"), (a, c, "right"), (b, d, ""), (c, b, ""), (d, a, ""), (d, b, "")]
    lineage = Lineage(root=a, versions=versions, edges=edges)
    told = lineagetree.text(lineage).splitlines()
    rows = nodes(lineage)
    assert len(told) == len(rows)
    for line, node in zip(told, rows, strict=True):
        assert line.startswith(guide(node.lasts))
        assert not line[len(guide(node.lasts)) :].startswith((" ", "─", "│"))
        assert line.endswith("…") == (node.again or node.digest == d)
        assert node.title in line
    alone = nodes(Lineage(root=a, versions=versions, edges=[]))
    assert [node.title for node in alone] == ["came from nothing that is known"]


async def test_files_are_those_of_the_manifest(make_app, tmp_path):
    folder = tmp_path / "model"
    (folder / "tokenizer").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer" / "vocab.txt").write_bytes(b"x" * 2048)
    store = Store(tmp_path / "store")
    manifest = store.publish(folder)
    digest = digest_of(b"lost")
    app = make_app(Fleet())
    app.local = True
    app.feed.client = ArtifactAgent(
        [
            version("m", 3, digest=digest),
            version("m", 2, digest=digest, uri=store.uri),
            version("m", 1, digest=manifest.digest, uri=store.uri),
        ]
    )
    async with app.run_test(size=(160, 40)) as pilot:
        await pressed(pilot, "3", "enter")
        await looked(pilot)
        assert "they lie in s3://models, which is not read from here" in seen(app)
        await pressed(pilot, "end")
        await looked(pilot)
        assert "tokenizer/vocab.txt" in seen(app)
        await pressed(pilot, "slash", "escape", "up")
        await looked(pilot)
        assert "tokenizer/vocab.txt" not in seen(app)


GIVEN = [
    (["a", *"best", "enter"], "best", AliasMove(version=2), "sentiment@2 best"),
    (["a", *"cand", "tab", "enter"], "candidate", AliasMove(version=2, before=3), "sentiment@2 c"),
    (["X"], "champion", AliasMove(version=None, before=2), "--remove sentiment@champion"),
    (
        ["k", "X", *"night", "tab", "enter"],
        "nightly",
        AliasMove(version=None, before=3),
        "--remove",
    ),
]


@pytest.mark.parametrize(("keys", "alias", "move", "line"), GIVEN)
async def test_an_alias_is_given_moved_and_taken_away_once_asked(app, keys, alias, move, line):
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, "j", *keys)
        assert isinstance(app.screen, ConfirmScreen)
        assert f"llmos artifact alias {line}" in seen(app)
        await pressed(pilot, "n")
        assert app.feed.client.moves == []
        await pressed(pilot, *keys[keys[0] == "k" :], "y")
        assert app.feed.client.moves == [("sentiment", alias, move)]
        now = "is gone" if move.version is None else "is version 2 now"
        assert notices(app)[-1] == f"sentiment@{alias} {now}"


async def test_a_move_shows_what_differs(app):
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, "a", *"champion", "enter")
        assert "it points to sentiment@2 now" in seen(app)
        (line,) = [line for line in seen(app).splitlines() if "+0.062" in line]
        assert "f1  0.7500  0.8125  +0.062" in line


async def test_who_moved_an_alias_first_wins_and_the_other_is_told_in_one_line(app):
    told = "sentiment@champion points to version 1 by now, not to version 2; look again"
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, "a", *"champion", "enter")
        app.feed.client.refuses = RequestRefused(told, 409)
        moved = [as_moved(one) for one in app.feed.client.known]
        app.feed.client.known = moved
        await pressed(pilot, "y")
        assert notices(app) == [told]
        (row,) = [line for line in seen(app).splitlines() if line.split()[:1] == ["@1"]]
        assert "champion" in row


def as_moved(one: ArtifactVersion) -> ArtifactVersion:
    aliases = {1: ["champion"], 2: []}.get(one.version, one.aliases)
    return structs.replace(one, aliases=aliases if one.name == "sentiment" else one.aliases)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["a", *"7", "enter"], 'an alias needs a letter, got "7", which reads as a version'),
        (["a", *"a/b", "enter"], 'an alias has letters, digits, ".", "_" and "-" only, got "a/b"'),
        (["a", *"nightly", "enter"], "sentiment@3 is nightly already"),
        (["X", *"champion", "enter"], "sentiment@3 has no alias champion"),
        (["end", "X"], "sentiment@1 has no alias"),
    ],
)
async def test_an_alias_that_cannot_be_is_told_before_anybody_is_asked(app, keys, said):
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, *keys)
        assert notices(app)[-1] == said
        assert app.screen.KIND == "artifact"
        assert app.feed.client.moves == []


@pytest.mark.parametrize("keys", [["a", "escape"], ["a", "enter"], ["k", "X", "escape"]])
async def test_a_name_that_is_not_given_changes_nothing(app, keys):
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, "j", *keys)
        assert not app.screen.query("Prompt")
        assert app.focused is app.screen.query_one("#versions")
        assert notices(app) == []


@pytest.mark.parametrize(
    ("line", "kind", "said"),
    [
        ("artifacts", "artifacts", "verdict"),
        ("artifact sentiment@champion", "artifact", "sentiment@2  model  champion"),
        ("artifact sentiment@1", "artifact", "sentiment@1  model"),
        ("artifact sentiment@9", "artifact", "there is no sentiment@9; the newest is shown"),
        ("artifact nobody", "artifact", "no artifact is called nobody: 3 lists all"),
        ("artifact a/b", "fleet", 'expected NAME, NAME@VERSION or NAME@ALIAS, got "a/b"'),
        ("artifact", "fleet", "expected NAME, NAME@VERSION or NAME@ALIAS"),
    ],
)
async def test_the_line_leads_to_an_artifact(app, line, kind, said):
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await pressed(pilot, "colon")
        app.screen.query_one("Prompt").value = line
        await pressed(pilot, "enter")
        assert kind == app.screen.KIND
        assert said in seen(app) or said in notices(app)[-1]


async def test_without_unicode_the_tree_is_drawn_in_ascii(make_app, monkeypatch):
    monkeypatch.setenv("LLMOS_ASCII", "1")
    glyphs.cache_clear()
    app = make_app(Fleet())
    app.feed.client = ArtifactAgent()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, "j")
        await looked(pilot)
        await pressed(pilot, "space", "tab")
        assert "`-- reviews@1" in seen(app)
        assert seen(app).isascii()


@pytest.fixture
def taken(make_app, snap_compare):
    """Whether a picture, taken after some keys, is the one that was looked at."""

    def compare(size, keys=(), theme="dark", agent=None):
        app = make_app(Fleet(), theme)
        app.feed.client = agent or ArtifactAgent()
        app.feed.store.heard = math.inf  # however long the picture takes

        async def lead_to_it(pilot):
            await settled(pilot)
            await pressed(pilot, *keys)
            await looked(pilot)

        return snap_compare(app, terminal_size=size, run_before=lead_to_it)

    return compare


def test_picture_of_the_list(taken):
    assert taken(SMALL, ["3"])


def test_picture_of_nothing_yet(taken):
    assert taken(SMALL, ["3"], agent=ArtifactAgent([]))


@pytest.mark.parametrize("theme", themes.NAMES)
@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "200x50"])
def test_picture_of_an_artifact(taken, theme, size):
    assert taken(size, ["3", "j", "enter", "space", "space"], theme)


def test_picture_of_lineage(taken):
    assert taken(SMALL, ["3", "j", "enter", "j", "tab"])


def test_picture_of_a_move(taken):
    assert taken(SMALL, ["3", "j", "enter", "a", *"champion", "enter"])
