"""Specs: what is read, how it is overridden, and how each mistake is said."""

import glob
import json
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmos.agents.errors import SpecError
from llmos.agents.protocol.jobs import JobRequest, Retry
from llmos.engine.several import job_requests
from llmos.engine.specs import (
    examples,
    job_request,
    override,
    read,
    request,
    validate,
)

TRAIN: dict[str, Any] = {"kind": "train", "train": {"data": {"source": "module:pydoc_data.topics"}}}
COMMAND: dict[str, Any] = {"kind": "command", "command": {"script": "train.py"}}


def with_train(**values: Any) -> dict[str, Any]:
    return {**TRAIN, "train": {**TRAIN["train"], **values}}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([], "$: expected a table of keys and values"),
        ({}, "$.kind: missing, expected the name of a kind"),
        ({"kind": "trian"}, '$.kind: unknown kind "trian", did you mean "train"?'),
        ({"kind": 7}, "$.kind: unknown kind 7, expected one of command, evaluate, prepare, train"),
        ({"kind": "train"}, "$.train: missing, expected a table"),
        ({**TRAIN, "train": 3}, "$.train: expected a table, got 3"),
        ({**TRAIN, "resorces": {}}, '$.resorces: unknown key, did you mean "resources"?'),
        (
            with_train(learnig_rate=1),
            '$.train.learnig_rate: unknown key, did you mean "learning_rate"?',
        ),
        (
            with_train(learning_rate="fast"),
            '$.train.learning_rate: expected a number > 0, got "fast"',
        ),
        (with_train(learning_rate=0), "$.train.learning_rate: expected a number > 0, got 0"),
        (
            with_train(learning_rate=float("inf")),
            "$.train.learning_rate: expected a finite number, got inf",
        ),
        (
            with_train(steps=1.5),
            "$.train.steps: expected a whole number ≥ 1 and ≤ 1000000000, got 1.5",
        ),
        (
            with_train(steps=True),
            "$.train.steps: expected a whole number ≥ 1 and ≤ 1000000000, got true",
        ),
        (
            with_train(precision="bf61"),
            '$.train.precision: expected one of "auto", "bf16", "fp32", got "bf61"',
        ),
        (with_train(data={}), "$.train.data.source: missing, expected text or a list of text"),
        (
            with_train(prompt="a\0b"),
            "$.train.prompt: expected text without NUL and lone surrogates",
        ),
        (
            with_train(model={"width": 100, "heads": 3}),
            "$.train.model: expected a width that is a multiple of the heads, got 100 and 3",
        ),
        (
            {**TRAIN, "resources": {"nodes": 2}},
            "$.resources.nodes: expected 1, got 2: jobs across hosts are not there yet",
        ),
        ({**TRAIN, "resources": {"ranks": 0}}, "$.resources.ranks: expected 1 to 1024, got 0"),
        ({**TRAIN, "resources": {"gpus": 999}}, "$.resources.gpus: expected 0 to 64, got 999"),
        (
            {**TRAIN, "after": ["12", "12:ayn"]},
            '$.after[1]: expected text as "12" or "12:any", got "12:ayn"',
        ),
        (
            {**TRAIN, "after": [12]},
            '$.after[0]: expected text as "12" or "12:any", got 12',
        ),
        (
            {**TRAIN, "after": "12"},
            '$.after: expected a list of text as "12" or "12:any", got "12"',
        ),
        ({**TRAIN, "hold": "yes"}, '$.hold: expected true or false, got "yes"'),
        ({**TRAIN, "aftr": []}, '$.aftr: unknown key, did you mean "after"?'),
        (
            {**TRAIN, "retry": {"max_attempts": 0}},
            "$.retry.max_attempts: expected 1 to 1000, got 0",
        ),
        ({**TRAIN, "retry": {"backoff": -1}}, "$.retry.backoff: expected a number ≥ 0, got -1.0"),
        ({**TRAIN, "retry": {"window": 0}}, "$.retry.window: expected a number > 0, got 0.0"),
        (
            {**TRAIN, "retry": {"atempts": 3}},
            '$.retry.atempts: unknown key, did you mean "max_attempts"?',
        ),
        (
            {**TRAIN, "resources": {"priority": 0.5}},
            "$.resources.priority: expected a whole number, got 0.5",
        ),
        (
            {**TRAIN, "resources": {"ranks": 1 << 70}},
            "$.resources.ranks: expected a number within 64 bits, got a number past 64 bits",
        ),
    ],
)
def test_a_mistake_is_named_by_path_value_and_expectation(table: object, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        validate(table)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("spec.toml", b"", "the file is empty"),
        ("spec.toml", b" \n\n", "the file is empty"),
        ("spec.toml", b"kind = 'train'\nname = \n", "line 2"),
        ("spec.json", b'{"kind":\n oops}', "line 2"),
        ("spec.json", b"[1]", "expected a table of keys and values"),
        ("spec.toml", b"name = 'caf\xe9'", "not UTF-8 at byte 11"),
        ("spec.json", b"[" * 100_000, "nested too deep"),
        ("spec.yaml", b"kind: train", "expected a .toml or .json file"),
        ("spec.toml", b"#" * (2 << 20), "expected a spec of at most 1 MiB"),
    ],
    ids=lambda value: None if isinstance(value, str) else f"{len(value)} bytes",
)
def test_a_file_that_is_no_spec_is_refused_by_name(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SpecError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such file"):
        read(tmp_path / "absent.toml")
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    with pytest.raises(SpecError, match="expected a file"):
        read(folder)


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    # Its first page is mapped in no process: not even root can read it.
    path.symlink_to("/proc/self/mem")
    with pytest.raises(SpecError, match="cannot be read: Input/output error"):
        read(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("train.steps=7", 7),
        ("train.steps=7.5", 7.5),
        ("train.steps = true", True),
        ("train.steps='7'", "7"),
        ("train.steps=seven", "seven"),
        ("train.steps=a=b", "a=b"),
        ("train.steps=1\nkind='other'", "1\nkind='other'"),
        ("train.steps=[1, 2]", [1, 2]),
        ("train.steps=", ""),
    ],
)
def test_an_override_is_toml_or_else_text(text: str, value: object) -> None:
    table: dict[str, Any] = {"train": {"steps": 1}, "kind": "train"}
    override(table, text)
    assert table == {"train": {"steps": value}, "kind": "train"}


def test_an_override_makes_the_tables_above_it() -> None:
    table: dict[str, Any] = {}
    override(table, "train.model.layers=2")
    assert table == {"train": {"model": {"layers": 2}}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train.steps", "expected KEY.KEY=VALUE"),
        ("=3", "expected KEY.KEY=VALUE"),
        ("train..steps=3", "expected KEY.KEY=VALUE"),
        ("kind.deeper=3", r"\$\.kind is not a table"),
    ],
)
def test_an_override_that_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        override({"kind": "train"}, text)


def test_examples_become_requests_that_validate_again(tmp_path: Path) -> None:
    listed = examples()
    assert "train-text" in {example.name for example in listed}
    for example in listed:
        assert example.title
        requests = job_requests(f"@{example.name}", folder=tmp_path)
        for asked in requests:
            assert example.name in (asked.name, asked.array)
            travelled = json.loads(msgspec.json.encode(asked.spec))
            assert msgspec.to_builtins(validate(travelled)) == asked.spec


def test_an_unknown_example_gets_the_nearest_name() -> None:
    with pytest.raises(SpecError, match='"train-txt", did you mean "train-text"'):
        job_request("@train-txt")


def test_a_request_takes_file_name_overrides_and_paths_from_the_callers_folder(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(TRAIN))
    (tmp_path / "words.txt").write_text("some text\n")
    asked = job_request(
        "mine.json", ["train.data.source=words.txt", "resources.ranks=2"], folder=tmp_path
    )
    assert asked.name == "mine"
    assert asked.resources.ranks == 2
    assert asked.spec["train"]["data"]["source"] == [str(tmp_path / "words.txt")]
    assert asked.program.arguments == ["-m", "llmos.engine", "train"]


def test_a_request_says_when_a_job_may_start_and_start_again(tmp_path: Path) -> None:
    table = {
        **TRAIN,
        "resources": {"priority": -2},
        "after": ["3", "4:any"],
        "hold": True,
        "retry": {"max_attempts": 5, "backoff": 0, "window": 60},
    }
    asked = request(validate(table), tmp_path)
    assert (asked.after, asked.hold, asked.resources.priority) == (["3", "4:any"], True, -2)
    assert asked.retry == Retry(max_attempts=5, backoff=0, window=60)
    assert msgspec.json.decode(msgspec.json.encode(asked), type=JobRequest) == asked
    (tmp_path / "mine.json").write_text(json.dumps(table))
    (later,) = job_requests("mine.json", ["hold=false"], (), ["9"], tmp_path)
    assert (later.after, later.hold) == (["3", "4:any", "9"], False)


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    (tmp_path / "mine.json").write_text(json.dumps(TRAIN))
    return tmp_path / "mine.json"


def named(spec_file: Path, *matrix: str) -> dict[str, dict[str, Any]]:
    """The `[train]` tables of a matrix's jobs by name."""
    asked = job_requests(str(spec_file), ["train.batch=4"], matrix)
    assert {one.array for one in asked} == {"mine"}
    assert {one.spec["train"]["batch"] for one in asked} == {4}
    return {one.name: one.spec["train"] for one in asked}


def test_a_matrix_is_every_combination_the_last_key_fastest(spec_file: Path) -> None:
    jobs = named(spec_file, "train.learning_rate=1e-3,1e-4", "train.seed= 1, 2")
    assert list(jobs) == [
        "mine[learning_rate=1e-3,seed=1]",
        "mine[learning_rate=1e-3,seed=2]",
        "mine[learning_rate=1e-4,seed=1]",
        "mine[learning_rate=1e-4,seed=2]",
    ]
    assert jobs["mine[learning_rate=1e-4,seed=2]"]["learning_rate"] == 1e-4
    assert jobs["mine[learning_rate=1e-4,seed=2]"]["seed"] == 2


def test_commas_in_quotes_and_brackets_part_no_values(spec_file: Path) -> None:
    source = 'train.data.source=["module:pydoc_data.topics"],["module:pydoc_data.topics","x\'y"]'
    with pytest.raises(SpecError, match="x'y"):
        named(spec_file, source)
    jobs = named(spec_file, "train.prompt='a,b',\"c,d\",plain")
    assert [train["prompt"] for train in jobs.values()] == ["a,b", "c,d", "plain"]


def test_keys_that_end_alike_are_told_whole(spec_file: Path) -> None:
    jobs = named(spec_file, "train.seed=1", "train.data.seed=2")
    assert list(jobs) == ["mine[train.seed=1,train.data.seed=2]"]


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (["train.seed"], "--matrix train.seed: expected KEY.KEY=VALUE,VALUE"),
        (["train.seed=1,,2"], "expected KEY.KEY=VALUE,VALUE"),
        (["train..seed=1"], r"--matrix train\.\.seed=1: expected KEY.KEY=VALUE"),
        (["train.seed=1", "train.seed=2"], "each key can be given once"),
        (["train.seed=1,fast"], r'\$\.train\.seed: .* got "fast"'),
        (
            [f"train.seed={','.join(map(str, range(101)))}", "train.steps=1,2,3,4,5,6,7,8,9,10"],
            "expected at most 1000 jobs, got 1010",
        ),
    ],
)
def test_a_matrix_that_cannot_be_is_refused(
    spec_file: Path, matrix: list[str], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        job_requests(str(spec_file), (), matrix)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resources": {"ranks": 3}}, r"\$\.train\.batch: expected a multiple of the 3 ranks"),
        ({"resources": {"ranks": 4, "gpus": 2}}, "at most one for each of the 2 GPUs, got 4"),
    ],
)
def test_a_training_that_cannot_be_shared_out_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        request(validate({**TRAIN, **changes}), tmp_path)


UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["train", "command", "module:pydoc_data.topics", "train.py", "bf16"])
)
KEYS = st.sampled_from(
    [
        "kind",
        "name",
        "resources",
        "ranks",
        "nodes",
        "gpus",
        "train",
        "data",
        "source",
        "model",
        "layers",
        "width",
        "steps",
        "batch",
        "command",
        "script",
        "arguments",
        "environment",
        "venv",
        "modules",
        "container",
        "step_regex",
        "after",
        "retry",
    ]
) | st.text(max_size=5)
TABLES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner), max_leaves=12
)


@UNHURRIED
@given(kind=st.sampled_from([TRAIN, COMMAND]), table=st.dictionaries(KEYS, TABLES))
def test_no_table_raises_anything_but_a_spec_error(
    kind: dict[str, Any], table: dict[str, Any]
) -> None:
    for attempt in (table, {**kind, **table}):
        try:
            spec = validate(attempt)
        except SpecError:
            continue
        assert validate(json.loads(msgspec.json.encode(spec))) == spec


NAMES = st.text(max_size=30) | st.sampled_from(["train.py", "long" * 2000, "/", "."])


@UNHURRIED
@given(script=NAMES, folder=NAMES, python=NAMES, source=NAMES)
def test_no_name_of_a_file_raises_anything_but_a_spec_error(
    script: str, folder: str, python: str, source: str
) -> None:
    for table in (
        {"kind": "command", "command": {"script": script, "folder": folder}},
        {"kind": "command", "command": {"module": script}, "environment": {"python": python}},
        {"kind": "train", "train": {"data": {"source": glob.escape(source)}}},
    ):
        with suppress(SpecError):
            request(validate(table), Path("/nowhere"))
    with suppress(SpecError):
        job_request(source)


@UNHURRIED
@given(
    steps=st.integers(1, 10**9),
    rate=st.floats(0, 10, exclude_min=True),
    name=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
    width=st.integers(1, 64),
    ranks=st.none() | st.integers(1, 1024),
)
def test_a_good_spec_survives_the_journey(
    steps: int, rate: float, name: str, width: int, ranks: int | None
) -> None:
    table = with_train(steps=steps, learning_rate=rate, model={"width": width * 4})
    spec = validate({**table, "name": name, "resources": {"ranks": ranks}})
    assert validate(json.loads(msgspec.json.encode(spec))) == spec


@UNHURRIED
@given(text=st.text(max_size=40))
def test_any_override_is_applied_or_refused(text: str) -> None:
    table = tomllib.loads("kind = 'train'\n[train]\nsteps = 1")
    with suppress(SpecError):
        override(table, text)
    assert table.keys() >= {"kind", "train"}
