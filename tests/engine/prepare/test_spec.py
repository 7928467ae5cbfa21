"""A spec of the kind is checked before it is submitted, and each mistake is named."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llmos.agents.errors import SpecError
from llmos.engine.specs import request, validate


def source(path: Path, **more: Any) -> dict[str, Any]:
    return {"name": "mails", "path": str(path), **more}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_text("Review,Class,User\nfine,great,u1\n")
    return path


def check(folder: Path, *sources: dict[str, Any], **more: Any) -> None:
    asked = {"kind": "prepare", "prepare": {"sources": list(sources), **more}}
    request(validate(asked), folder)


MAPPED = {"columns": {"text": "Review", "label": "Class"}}


@pytest.mark.parametrize(
    ("said", "more", "message"),
    [
        ({}, {}, r'\$.prepare.sources\[0\].columns.text: .* has no column "text", expected one of'),
        ({"columns": {"text": "Reveiw"}}, {}, 'no column "Reveiw", did you mean "Review"'),
        ({**MAPPED, "encoding": "utf-9"}, {}, "expected an encoding"),
        ({**MAPPED, "encoding": "utf-16"}, {}, "no line ends of one byte"),
        ({**MAPPED, "delimiter": ";;"}, {}, "expected one character"),
        ({**MAPPED, "label_from": "folder"}, {}, "contradicts label_from"),
        ({"columns": {"text": "Review", "id": "User"}}, {}, "cannot be a column"),
        (
            {"columns": {"text": "Review"}},
            {"steps": ["balance"]},
            r"\$.prepare.balance: needs labels",
        ),
        (
            {"columns": {"text": "Review"}},
            {"split": {"by": "stratified"}},
            "split.by: needs labels",
        ),
        (MAPPED, {"split": {"by": "group", "group": "user"}}, "split.group"),
        (MAPPED, {"split": {"by": "group"}}, "expected `group`"),
        (MAPPED, {"split": {"valid": 0.5, "test": 0.5}}, "leave something to train on"),
        (MAPPED, {"steps": ["contamination"]}, "contamination.against"),
        (MAPPED, {"steps": ["qualty"]}, r"\$.prepare.steps"),
        (MAPPED, {"contamination": {"against": ["none.txt"]}}, "expected files exactly if"),
        ({**MAPPED, "weight": 0}, {}, r"sources\[0\].weight: expected a number > 0"),
        ({**MAPPED, "licens": "MIT"}, {}, 'did you mean "licence"'),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, table: Path, said: dict[str, Any], more: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        check(tmp_path, source(table, **said), **more)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"sources\[0\].path: no such file or folder: .*none\.csv"):
        check(tmp_path, source(Path("none.csv")))
    with pytest.raises(SpecError, match="no file matches"):
        check(tmp_path, source(Path("*.csv")))
    with pytest.raises(SpecError, match="no module named"):
        check(tmp_path, source(Path("module:no_such_module_of_anyones")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SpecError, match="holds no file of a known format"):
        check(tmp_path, source(Path("empty")))


def test_no_gpu_is_taken_unless_asked_for(tmp_path: Path, table: Path) -> None:
    asked = {"kind": "prepare", "prepare": {"sources": [source(table, **MAPPED)]}}
    assert request(validate(asked), tmp_path).resources.gpus == 0


def test_two_sources_have_two_names(tmp_path: Path, table: Path) -> None:
    with pytest.raises(SpecError, match="names that differ"):
        check(tmp_path, source(table, **MAPPED), source(table, **MAPPED))


def test_checking_a_spec_imports_nothing_large() -> None:
    code = "import sys, llmos.engine.prepare.spec; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"torch", "numpy", "pyarrow", "ftfy", "xxhash"} & set(shown.stdout.split())
