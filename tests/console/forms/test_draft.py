"""A draft: texts, faults, the document, and the command line that does the same."""

import shlex
import subprocess
import sys
import tomllib

import click
import pytest

from llmos.agents.errors import SpecError, UsageError
from llmos.console.cli.invocation import Invocation
from llmos.console.cli.specarguments import Asked, JobCommand, job_requests, takes_job
from llmos.console.forms.commandline import command_line, words_of
from llmos.console.forms.draft import Draft
from llmos.console.forms.opening import draft_of
from llmos.console.requests import requests_from_words
from llmos.engine.catalog import KINDS

STEPS, RATE, RANKS = ("train", "steps"), ("train", "learning_rate"), ("resources", "ranks")
VARIABLES = ("environment", "variables")
SOURCE = ("train", "data", "source")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with a script and some text."""
    (tmp_path / "fit model.py").write_text("")
    (tmp_path / "text.txt").write_text("some words\n" * 50)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)  # a warm start wants our own interpreter
    return tmp_path


def run_again(line: str, folder):
    """What the words after `llmos run` ask for, through the parsers of screen and command line."""
    if line.startswith("printf"):
        making, _, line = line.partition(" && ")
        subprocess.run(["sh", "-c", making], cwd=folder, check=True)
    words = shlex.split(line)
    assert words[:2] == ["llmos", "run"]
    typed = asked_by_click(words[2:])
    assert [typed] == requests_from_words(words[2:], folder)
    return typed


def asked_by_click(words: list[str]):
    """What `llmos run WORDS` would ask an agent for."""
    seen: list[Asked] = []

    @click.command(cls=JobCommand)
    @takes_job(matrix_help=None)
    def run(asked: Asked) -> None:
        seen.append(asked)

    run.main(words, standalone_mode=False)
    (request,) = job_requests(Invocation(connect="unix:/nowhere"), seen[0], "run")
    return request


CASES = [
    (["@train-text"], {}),
    (["@train-text", "--set", "train.steps=7"], {RATE: "1e-3", ("train", "prompt"): 'it\'s a "x"'}),
    (["@train-text"], {("name",): "12", STEPS: "", ("train", "precision"): "fp32"}),
    (["@train-text"], {RANKS: ""}),
    (["@train-text"], {SOURCE: "text.txt text.txt", ("train", "prompt"): '""'}),
    (["train"], {SOURCE: "text.txt", ("resources", "gpus"): "0"}),
    (["fit model.py", "--lr", "1 e"], {RANKS: "2"}),
    (["--ranks", "2", "--", "-m", "timeit", "--", "-n", "1"], {}),
    (["command"], {("command", "script"): "fit model.py", ("command", "arguments"): "a 'b c'"}),
    (["--priority", "-2", "--after", "3", "--after", "4:any", "--hold", "fit model.py"], {}),
    (["--warm", "--step-regex", r"(?P<step>\d+)", "--", "fit model.py"], {("after",): "7"}),
    (["@train-text", "--after", "3", "--hold", "--priority", "2"], {}),
    (["fit model.py"], {VARIABLES: "A=1 B='x y'", ("command", "launcher"): "plain"}),
    (["fit model.py"], {("name",): "else", ("retry", "max_attempts"): "3"}),
]


@pytest.mark.parametrize(("words", "texts"), CASES)
def test_the_command_line_asks_for_the_same_job(folder, words, texts):
    draft = draft_of(words, folder)
    for path, text in texts.items():
        draft.set(path, text)
    assert draft.faults() == {}
    line = command_line(draft, folder)
    assert run_again(line, folder) == draft.request(folder)


@pytest.mark.parametrize("number", [0, 1, 2, 6, 9, 10, 11])
def test_what_can_be_said_in_words_needs_no_file(folder, number):
    words, texts = CASES[number]
    draft = draft_of(words, folder)
    for path, text in texts.items():
        draft.set(path, text)
    again = words_of(draft)
    assert again is not None
    assert requests_from_words(again, folder) == [draft.request(folder)]


def test_a_number_is_repeated_as_it_was_typed(folder):
    draft = draft_of(["@train-text"], folder)
    draft.set(RATE, "1e-3")
    assert command_line(draft, folder) == "llmos run @train-text --set train.learning_rate=1e-3"


def test_a_copied_line_writes_over_no_file(folder):
    (folder / "train.toml").write_text("mine")
    draft = draft_of(["train"], folder)
    draft.set(SOURCE, "text.txt")
    assert command_line(draft, folder).endswith("> train-2.toml && llmos run train-2.toml")


def test_changed_is_what_differs_from_the_beginning(folder):
    draft = draft_of(["@train-text"], folder)
    draft.set(STEPS, "12")
    assert draft.changed(STEPS)
    draft.set(STEPS, "1200")
    assert not draft.changed(STEPS)
    assert not draft.touched


def test_every_field_that_is_off_is_told_at_its_place(folder):
    draft = draft_of(["train"], folder)
    draft.set(STEPS, "fast")
    draft.set(RATE, "-1")
    faults = draft.faults()
    assert (
        faults["$.train.steps"].short == 'expected a whole number ≥ 1 and ≤ 1000000000, got "fast"'
    )
    assert faults["$.train.learning_rate"].text.startswith(
        "$.train.learning_rate: expected a number"
    )
    draft.set(STEPS, "")
    draft.set(RATE, "1")
    assert [*draft.faults()] == ["$.train.data.source"]


def test_an_open_quote_is_told_and_not_submitted(folder):
    draft = draft_of(["fit model.py"], folder)
    draft.set(("command", "arguments"), "'a")
    assert "No closing quotation" in draft.faults()["$.command.arguments"].text
    with pytest.raises(SpecError, match="No closing quotation"):
        draft.request(folder)


def test_a_fault_between_fields_is_told_of_their_table(folder):
    draft = draft_of(["@train-text"], folder)
    draft.set(("train", "model", "heads"), "3")
    assert [*draft.faults()] == ["$.train.model"]


def test_what_needs_a_look_at_files_is_placed_too(folder):
    draft = draft_of(["nothing.py"], folder)
    with pytest.raises(SpecError) as caught:
        draft.request(folder)
    assert draft.fault(str(caught.value)).place == "$.command.script"


def test_first_come_the_fields_that_are_needed_said_or_changed(folder):
    draft = draft_of(["@train-text"], folder)
    group = next(group for group in draft.groups if group.path == ("train",))

    def names():
        return [field.name for field in draft.first(group)]

    assert names() == ["steps", "batch", "learning_rate", "prompt"]
    draft.set(("train", "clip"), "2")
    assert names() == ["steps", "batch", "learning_rate", "clip", "prompt"]


@pytest.mark.parametrize(
    "words", [["@train-text"], ["train"], ["command"], ["fit model.py", "a b"]]
)
def test_the_document_says_the_same(folder, words):
    draft = draft_of(words, folder)
    if words == ["@train-text"]:
        assert draft.document().startswith("# A small GPT-2 learns")
        draft.set(STEPS, "5")
    table = tomllib.loads(draft.document())
    assert table["kind"] == draft.kind
    again = draft.replace(draft.document())
    assert again is draft
    assert tomllib.loads(draft.document()) == table
    assert "# " in draft.document()


def test_what_is_no_field_stays_and_is_told(folder):
    draft = draft_of(["@train-text"], folder)
    text = (
        draft.document().replace("steps = 1200", 'stepps = 1\nbatch = "x"').replace("batch = 8", "")
    )
    draft.replace(text)
    assert draft.texts[("train", "batch")] == '"x"'
    draft.set(("train", "batch"), "8")
    (fault,) = draft.faults().values()
    assert 'did you mean "steps"?' in fault.text
    assert "stepps = 1" in draft.document()


def test_another_kind_is_another_draft(folder):
    draft = draft_of(["@train-text"], folder)
    other = draft.replace('kind = "command"\n[command]\nscript = "fit model.py"\n')
    assert other is not draft
    assert command_line(other, folder) == "llmos run -- 'fit model.py'"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind = \n", "line 1"),
        ("steps = 1", "$.kind: missing"),
        ('kind = "trian"', 'did you mean "train"'),
        pytest.param("a = " + "[" * 5000, "nested too deep", id="deep"),
    ],
)
def test_what_is_no_spec_changes_nothing(folder, text, said):
    draft = draft_of(["@train-text"], folder)
    before = dict(draft.texts)
    with pytest.raises(SpecError) as caught:
        draft.replace(text)
    assert said in str(caught.value)
    assert draft.texts == before


def test_a_clone_says_what_its_job_said(folder):
    draft = draft_of(["@train-text", "--set", "train.steps=7"], folder)
    request = draft.request(folder)
    clone = Draft.of_request(request)
    assert clone.request(folder) == request
    assert ("train", "clip") not in {
        field.path for group in clone.groups for field in clone.first(group)
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "expected a script"),
        (["@train-txt"], 'did you mean "train-text"'),
        (["nothing.toml"], "no such file"),
        (["--rank", "2", "fit.py"], "unknown option --rank"),
        (["@train-text", "--set"], "--set: expected a value"),
        (["@train-text", "train"], "expected one spec"),
        (["--", "-m"], "-m: expected a module"),
    ],
)
def test_words_that_are_off_are_told(folder, words, said):
    with pytest.raises(UsageError) as caught:
        draft_of(words, folder)
    assert said in str(caught.value)


def test_every_kind_can_be_begun(folder):
    for kind in KINDS:
        assert draft_of([kind], folder).kind == kind


def test_a_persons_own_words_stay_while_they_say_the_same(folder):
    draft = draft_of(["@train-text"], folder)
    own = draft.document()
    draft.set(STEPS, "")
    assert draft.document() != own
    draft.set(STEPS, "1200")
    assert draft.document() == own
