"""`llmos submit`: one job or a matrix of them, from a spec or a script."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmos.tests.conftest import FrontDoor

Spec = Callable[[str], str]
Until = Callable[[str, str], dict[str, Any]]
Conforms = Callable[[object, str], None]


def test_a_matrix_is_a_job_for_each_combination(
    llmos: FrontDoor, spec: Spec, conforms: Conforms
) -> None:
    path = spec("pass")
    words = ["--matrix", 'command.arguments=["a","b"],[]', "--matrix", "resources.priority=1,2"]
    assert llmos("submit", path, "--hold", *words) == "1\n2\n3\n4\n"
    listed = json.loads(llmos("jobs", "--json"))
    conforms(listed, "jobs")
    jobs = listed["jobs"][::-1]
    assert [job["name"] for job in jobs] == [
        'tiny[arguments=["a","b"],priority=1]',
        'tiny[arguments=["a","b"],priority=2]',
        "tiny[arguments=[],priority=1]",
        "tiny[arguments=[],priority=2]",
    ]
    assert {job["array"] for job in jobs} == {"tiny"}
    assert [job["priority"] for job in jobs] == [1, 2, 1, 2]
    submitted = json.loads(llmos("submit", path, "--hold", *words, "--json"))
    conforms(submitted, "jobs")
    assert len(submitted["jobs"]) == 4


def test_a_matrix_with_one_mistake_submits_nothing(llmos: FrontDoor, spec: Spec) -> None:
    said = llmos.error("submit", spec("pass"), "--matrix", "resources.ranks=1,none", code=2)
    assert "$.resources.ranks: " in said
    assert list(llmos.state.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "x.toml", "--matrix", "a=1"], "run follows one job; `llmos submit --matrix`"),
        (["run", "--matrix", "a=1", "--", "x.py"], "run follows one job"),
        (["submit", "--matrix", "a=1", "--", "x.py"], "--matrix describes a job, so does the"),
        (["submit"], "submit what? SPEC"),
        (["submit", "@train-text", "--warm"], "a spec takes --set command.warm=true"),
        (["run", "@train-text", "--step-regex", "x"], "--set command.step_regex=x"),
        (["submit", "@train-text", "--after", "x"], '$.after[0]: expected text as "12"'),
        (["submit", "@train-text", "--priority", "x"], "'x' is not a valid integer"),
    ],
)
def test_words_that_do_not_go_together(llmos: FrontDoor, words: list[str], says: str) -> None:
    assert says in llmos.error(*words, code=2)
    assert list(llmos.state.iterdir()) == []


def test_a_script_is_submitted_and_its_world_is_told_without_its_variables(
    llmos: FrontDoor, tmp_path: Path, until_state: Until
) -> None:
    script = tmp_path / "said.py"
    script.write_text("import os\nprint(os.environ['HF_TOKEN'], os.environ['WANDB_MODE'])\n")
    llmos.environment |= {"HF_TOKEN": "very secret", "WANDB_MODE": "offline"}
    assert llmos("submit", "--step-regex", "(?P<loss>x)", "--", str(script)) == "1\n"
    record = until_state("1", "succeeded")
    assert llmos("logs", "1") == "very secret offline\n"
    program = record["request"]["program"]
    assert program["environment"] == {}
    assert program["step_regex"] == "(?P<loss>x)"
    said = llmos("job", "1")
    assert f"python    {Path(sys.prefix) / 'bin' / 'python'}\n" in said
    assert "very secret" not in said + json.dumps(record)
    assert "offline" not in said + json.dumps(record)
    stored = b"".join(path.read_bytes() for path in llmos.state.glob("records.sqlite*"))
    assert stored
    assert b"very secret" not in stored
