"""The Launch screen: pick, set, see the equal command line, edit it all, start."""

import contextlib
import shlex
from typing import TYPE_CHECKING

import msgspec
import pytest
from textual.widgets import Button, Input, OptionList

from llmos.agents.errors import RequestRefused
from llmos.console import themes
from llmos.console.requests import requests_from_words
from llmos.console.screens.confirm import ConfirmScreen
from llmos.console.screens.launch import LaunchScreen, open_clone
from llmos.console.screens.launchform import LaunchFormScreen
from llmos.console.widgets.formchoice import Choice
from llmos.console.widgets.formrow import FormRow
from llmos.engine.catalog import KINDS, Kind
from llmos.tests.console.fleets import Fleet, job
from llmos.tests.console.looking import Agent, notices, seen, settled

if TYPE_CHECKING:
    from llmos.agents.protocol.jobs import JobRequest

SMALL = (80, 24)


class Taking(Agent):
    """Keeps the whole of what it was asked to start, or refuses it."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[JobRequest] = []
        self.refuses = False

    async def submit(self, request):
        self.requests.append(request)
        if self.refuses:
            raise RequestRefused("the disk is full")
        return await super().submit(request)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "fit.py").write_text("")
    (tmp_path / "fit_all.py").write_text("")
    (tmp_path / "text.txt").write_text("some words\n" * 50)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def app(make_app, folder, monkeypatch):
    app = make_app(Fleet(samples=2, jobs=(job("7"),)))
    app.feed.client = Taking()
    app.opened = []
    monkeypatch.setattr(app, "open_job", app.opened.append)
    return app


@contextlib.asynccontextmanager
async def form(app, line: str = "@train-text", size=SMALL):
    """The form of what a line says."""
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await pilot.press("n")
        await settled(pilot)
        app.screen._open(line)
        await settled(pilot)
        assert isinstance(app.screen, LaunchFormScreen)
        yield pilot


async def pick(pilot, name: str) -> None:
    """Goes to a row of the list that Launch opens with."""
    rows = pilot.app.screen.query_one(OptionList)
    rows.highlighted = rows.get_option_index(name)
    await settled(pilot)


def row(app, path: str) -> FormRow:
    rows: dict[str, FormRow] = {
        ".".join(each.field.path): each for each in app.screen.query(FormRow)
    }
    return rows[path]


async def typed(pilot, path: str, text: str) -> None:
    """Into an empty field, key by key."""
    control = row(pilot.app, path).query_one(Input)
    control.focus()
    control.clear()
    await settled(pilot)
    await pilot.press(*["space" if letter == " " else letter for letter in text])
    await settled(pilot)


def status(app) -> str:
    return str(app.screen.query_one("#status").render())


def line(app) -> str:
    return str(app.screen.query_one("#same").render()).removeprefix("$ ")


async def checked(pilot) -> str:
    """The status once files were looked at."""
    await pilot.app.workers.wait_for_complete()
    await settled(pilot)
    return status(pilot.app)


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_has_a_form_of_all_its_fields(app, kind):
    async with form(app, kind, (120, 200)) as pilot:
        await pilot.press("ctrl+t")
        await settled(pilot)
        shown = ""
        for field in app.screen.draft.fields.values():
            found = row(app, ".".join(field.path))
            assert found.display
            found.scroll_visible(animate=False)
            await settled(pilot)
            assert field.name in seen(app)
            shown += seen(app)
        for group in app.screen.draft.groups:
            assert ".".join(group.path) in shown


async def test_an_example_is_picked_and_started_with_two_keys(app, folder):
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("n")
        await settled(pilot)
        await pick(pilot, "@train-text")
        assert "The same as: llmos run @train-text" in seen(app)
        await pilot.press("enter")
        await settled(pilot)
        assert "$ llmos run @train-text" in seen(app)
        await pilot.press("enter")
        await settled(pilot)
        assert app.feed.client.requests == requests_from_words(["@train-text"], folder)
        assert app.opened == ["7"]
        assert len(app.screen_stack) == 1


async def test_a_list_of_jobs_is_shown_and_started_as_one(app, folder):
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("n")
        await settled(pilot)
        await pick(pilot, "@sentiment")
        await pilot.press("enter")
        await settled(pilot)
        shown = seen(app)
        assert "Start 3 jobs, one after the other?" in shown
        assert "sentiment-model    train " in shown
        assert "llmos run @sentiment" in shown
        await pilot.press("escape")
        await settled(pilot)
        assert not app.feed.client.requests
        await pilot.press("enter", "y")
        await settled(pilot)
        names = [request.name for request in app.feed.client.requests]
        assert names == ["sentiment-data", "sentiment-model", "sentiment-verdict"]
        assert [request.after for request in app.feed.client.requests] == [[], ["7"], ["7", "7"]]
        assert not app.opened


async def test_or_at_once(app, folder):
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("n")
        await settled(pilot)
        await pick(pilot, "@train-text")
        await pilot.press("ctrl+s")
        await settled(pilot)
        assert app.feed.client.requests == requests_from_words(["@train-text"], folder)


async def test_what_is_typed_is_submitted_and_told_as_a_command_line(app, folder):
    async with form(app) as pilot:
        await typed(pilot, "train.learning_rate", "1e-3")
        await typed(pilot, "train.prompt", "ace of ace")
        expected = "llmos run @train-text --set train.learning_rate=1e-3 --set"
        assert line(app) == f"{expected} 'train.prompt=ace of ace'"
        words = shlex.split(line(app))[2:]
        await pilot.press("ctrl+s")
        await settled(pilot)
        assert app.feed.client.requests == requests_from_words(words, folder)


async def test_a_typo_is_told_at_its_field_and_not_submitted(app):
    async with form(app) as pilot:
        await typed(pilot, "train.steps", "fast")
        said = 'expected a whole number ≥ 1 and ≤ 1000000000, got "fast"'
        assert f"✖ $.train.steps: {said}" in status(app)
        assert seen(app).count(said[:40]) == 2
        assert row(app, "train.steps").has_class("-bad")
        await pilot.press("ctrl+s")
        await settled(pilot)
        assert app.feed.client.requests == []
        await typed(pilot, "train.steps", "12")
        assert row(app, "train.steps").has_class("-changed")
        assert "● ready" in await checked(pilot)


async def test_what_only_files_tell_is_told_as_one_types(app):
    async with form(app, "command") as pilot:
        assert app.focused is row(app, "command.script").query_one(Input)
        assert "$.command.script: missing" in await checked(pilot)
        await pilot.press(*"fit.p")
        assert "$.command.script: no such file" in await checked(pilot)
        await pilot.press("y")
        assert "● ready" in await checked(pilot)
        assert line(app) == "llmos run -- fit.py"


async def test_the_focused_field_is_explained(app):
    async with form(app) as pilot:
        row(app, "train.steps").take_keys()
        await settled(pilot)
        said = "train.steps: a whole number ≥ 1 and ≤ 1000000000, by default 500."
        told = str(app.screen.query_one("#help").render())
        assert told == f"{said} Updates of the weights."


async def test_a_choice_is_picked_by_keys_and_by_mouse(app):
    async with form(app, size=(100, 45)) as pilot:
        await pilot.press("a")
        await settled(pilot)
        choice = row(app, "train.precision").query_one(Choice)
        choice.focus()
        await pilot.press("right")
        await settled(pilot)
        assert line(app) == "llmos run @train-text --set train.precision=bf16"
        await pilot.click(choice, offset=(19, 0))
        await settled(pilot)
        assert line(app) == "llmos run @train-text --set train.precision=fp32"
        await pilot.press("left", "left")
        await settled(pilot)
        assert line(app) == "llmos run @train-text"


async def test_letters_are_keys_only_where_nothing_is_typed(app):
    async with form(app) as pilot:
        assert not row(app, "train.clip").display
        await pilot.press("a")
        await settled(pilot)
        assert row(app, "train.clip").display
        await typed(pilot, "name", "aec")
        assert app.screen.draft.texts[("name",)] == "aec"
        assert row(app, "train.clip").display
        await pilot.press("ctrl+t")
        await settled(pilot)
        assert not row(app, "train.clip").display


@pytest.mark.parametrize("way", ["c", "ctrl+y", "click"])
async def test_the_command_line_is_copied(app, way):
    async with form(app) as pilot:
        if way == "click":
            await pilot.click("#copy")
        else:
            await pilot.press(way)
        await settled(pilot)
        assert app.clipboard == "llmos run @train-text"


async def test_arrows_and_enter_lead_from_field_to_field(app):
    async with form(app) as pilot:
        row(app, "train.steps").take_keys()
        await settled(pilot)
        for key, path in [("down", "batch"), ("enter", "learning_rate"), ("up", "batch")]:
            await pilot.press(key)
            await settled(pilot)
            assert app.focused is row(app, f"train.{path}").query_one(Input)


async def test_going_back_keeps_what_was_typed(app):
    async with form(app) as pilot:
        await typed(pilot, "train.steps", "12")
        await pilot.press("escape")
        await settled(pilot)
        assert isinstance(app.screen, LaunchScreen)
        await pick(pilot, "@train-text")
        await pilot.press("enter")
        await settled(pilot)
        assert line(app) == "llmos run @train-text --set train.steps=12"


async def test_a_refused_job_costs_nothing_that_was_typed(app):
    app.feed.client.refuses = True
    async with form(app) as pilot:
        await typed(pilot, "train.steps", "12")
        await pilot.press("ctrl+s")
        await settled(pilot)
        assert "the disk is full" in notices(app)[-1]
        assert line(app) == "llmos run @train-text --set train.steps=12"


@pytest.fixture
def editor(app, tmp_path, monkeypatch):
    """Sets $EDITOR to a script; its $1 is the file. A test's terminal has nothing to give away."""
    monkeypatch.setattr(app, "suspend", contextlib.nullcontext)
    monkeypatch.delenv("VISUAL", raising=False)

    def make(lines: str) -> None:
        script = tmp_path / "editor"
        script.write_text(f"#!/bin/sh\n{lines}\n")
        script.chmod(0o700)
        monkeypatch.setenv("EDITOR", str(script))

    return make


@pytest.mark.parametrize("key", ["e", "ctrl+o"])
async def test_the_spec_goes_through_the_editor_and_back(app, editor, folder, key):
    editor("""sed -i -e 's/^steps = .*/steps = 7  # mine/' -e 's/^width = .*/width = "x"/' "$1" """)
    async with form(app) as pilot:
        await typed(pilot, "train.prompt", "Hi")
        if key == "e":
            app.screen.query_one("#launch", Button).focus()
        await pilot.press(key)
        await settled(pilot)
        assert "$.train.model.width" in status(app)
        assert row(app, "train.steps").query_one(Input).value == "7"
        await typed(pilot, "train.model.width", "256")
        editor('cp "$1" "$1.seen"; cp "$1" seen.toml')
        await pilot.press("ctrl+o", "ctrl+s")
        await settled(pilot)
        (request,) = app.feed.client.requests
        assert [request] == requests_from_words(["seen.toml"], folder)
        assert (request.spec["train"]["steps"], request.spec["train"]["prompt"]) == (7, "Hi")


async def test_text_that_is_no_toml_is_kept_until_it_is_mended(app, editor):
    async with form(app) as pilot:
        editor('echo "steps = = 7" >> "$1"')
        await pilot.press("e")
        await settled(pilot)
        assert "✖ Invalid value (at line" in status(app)
        await pilot.press("ctrl+s")
        assert app.feed.client.requests == []
        app.screen.query_one("#launch", Button).focus()
        editor("""sed -i 's/^steps = = 7/attention = 7/' "$1" """)
        await pilot.press("e")
        await settled(pilot)
        assert "$.train.model.attention: unknown key" in status(app)
        editor('echo "what = = ever" >> "$1"')
        await pilot.press("ctrl+o")
        await settled(pilot)
        await pilot.press("escape")
        await settled(pilot)
        assert "$.train.model.attention: unknown key" in status(app)


async def test_an_editor_that_fails_changes_nothing(app, editor):
    async with form(app) as pilot:
        editor("exit 1")
        await pilot.press("e")
        await settled(pilot)
        assert "nothing is changed" in notices(app)[-1]
        assert line(app) == "llmos run @train-text"


async def test_another_kind_in_the_editor_is_another_form(app, editor):
    editor("""printf 'kind = "command"\\n[command]\\nscript = "fit.py"\\n' > "$1" """)
    async with form(app) as pilot:
        await pilot.press("e")
        await settled(pilot)
        assert row(app, "command.script").query_one(Input).value == "fit.py"
        assert line(app) == "llmos run -- fit.py"


async def test_a_script_is_completed_and_opened(app):
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("n", "tab", *"fi")
        await app.workers.wait_for_complete()
        await settled(pilot)
        assert "fit.py  fit_all.py" in seen(app)
        await pilot.press("tab")
        await settled(pilot)
        assert "llmos run -- fit.py" in seen(app)
        await pilot.press("space", *"--lr", "space", "1", "enter")
        await settled(pilot)
        assert line(app) == "llmos run -- fit.py --lr 1"


async def test_a_script_at_home_is_found(app, folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    async with form(app, "~/fit.py"):
        assert line(app) == f"llmos run -- {folder}/fit.py"


@pytest.mark.parametrize(
    ("words", "said"), [("nothing.toml", "no such file"), ("fit.py 'a", "No closing quotation")]
)
async def test_words_that_are_off_are_told_and_stay(app, words, said):
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("n", "tab")
        await pilot.press(*["space" if letter == " " else letter for letter in words], "enter")
        await settled(pilot)
        assert said in notices(app)[-1]
        assert isinstance(app.screen, LaunchScreen)
        await pilot.press("escape")
        await settled(pilot)
        assert len(app.screen_stack) == 1


async def test_the_mouse_picks_sets_and_starts(app, folder):
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("n")
        await settled(pilot)
        await pilot.click(OptionList, offset=(3, 0))
        await settled(pilot)
        await pilot.click(row(app, "train.batch").query_one(Input))
        await pilot.press("end", "ctrl+u", "4")
        await pilot.click("#launch")
        await settled(pilot)
        (expected,) = requests_from_words(["@digits", "--set", "train.batch=4"], folder)
        assert app.feed.client.requests == [expected]


async def test_a_clone_is_a_form_like_its_job(app, folder):
    (request,) = requests_from_words(["@train-text", "--set", "train.steps=7"], folder)
    request = msgspec.structs.replace(request, source="7")
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        open_clone(app, request)
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert app.feed.client.requests == [request]
        assert len(app.screen_stack) == 1


@pytest.fixture
def without_engine(monkeypatch):
    monkeypatch.setattr(Kind, "missing", lambda kind: list(kind.needs[:2]))


async def test_without_the_engine_it_says_what_to_type(app, without_engine):
    app.local = True
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("n")
        await settled(pilot)
        assert "Not installed yet: fsspec, ftfy, torch, transformers" in seen(app)
        assert "pip install 'llmos[engine]'" in seen(app)
        await pilot.press("ctrl+s")
        await settled(pilot)
        assert "pip install 'llmos[engine]'" in notices(app)[-1]
        assert app.feed.client.asked == []


async def test_from_a_checkout_it_offers_to_install(app, without_engine, monkeypatch):
    monkeypatch.setenv("LLMOS_SCRIPTS_RUN", "/bin/true")
    app.local = True
    async with form(app) as pilot:
        await pilot.press("ctrl+s")
        await settled(pilot)
        assert isinstance(app.screen, ConfirmScreen)
        assert "scripts/run --install-engine" in seen(app)
        await pilot.press("n")
        await settled(pilot)
        assert isinstance(app.screen, LaunchFormScreen)
        assert app.feed.client.asked == []


@pytest.mark.parametrize("theme", themes.NAMES)
async def test_each_theme_marks_the_field_that_has_the_keys(make_app, folder, theme):
    app = make_app(Fleet(samples=2), theme)
    async with form(app) as pilot:
        control = row(app, "train.steps").query_one(Input)
        control.focus()
        await settled(pilot)
        ground = control.background_colors[1].hex6.lower()
        assert ground == themes.colours(theme)["selection"]


async def test_a_terminal_without_unicode_gets_none(make_app, folder, monkeypatch):
    from llmos.console.widgets.glyphs import glyphs

    monkeypatch.setenv("LLMOS_ASCII", "1")
    glyphs.cache_clear()
    app = make_app(Fleet(samples=2))
    async with form(app) as pilot:
        await pilot.press("a")
        await typed(pilot, "train.steps", "x")
        assert {letter for letter in seen(app) if not letter.isascii()} == set()
        assert "expected a whole number >= 1" in seen(app)
