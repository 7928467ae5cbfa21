"""The catalog imports as little as it can, and everything that it names is there."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from llmos.agents.errors import SpecError
from llmos.engine.catalog import KINDS, Kind, Spec, kind_named

HEAVY = "torch transformers accelerate tokenizers numpy textual rich"


def loaded_after(code: str) -> set[str]:
    shown = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(shown.stdout.split())


def test_importing_the_catalog_imports_no_kind() -> None:
    loaded = loaded_after("import llmos.engine.catalog")
    assert not [
        name for name in loaded if name.startswith(("llmos.engine.train.", "llmos.engine.command."))
    ]
    assert not loaded & set(HEAVY.split())


def test_every_example_is_checked_without_torch() -> None:
    loaded = loaded_after(
        "from llmos.engine.several import job_requests\n"
        "from llmos.engine.specs import examples\n"
        "for example in examples(): job_requests('@' + example.name)"
    )
    assert "llmos.engine.train.spec" in loaded
    assert not loaded & set(HEAVY.split())


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_module_that_a_kind_names_is_there(kind: Kind) -> None:
    assert issubclass(kind.spec().SPEC, Spec)
    if kind.program_module is not None:
        assert find_spec(kind.program_module, "llmos.engine") is not None


def test_what_is_missing_is_found_without_importing_it() -> None:
    assert KINDS["train"].missing() == []
    assert KINDS["command"].missing() == []


def test_the_engine_runs_no_command() -> None:
    with pytest.raises(SpecError, match="no program"):
        KINDS["command"].run()


def test_an_unknown_kind_gets_the_nearest_name() -> None:
    with pytest.raises(SpecError, match='did you mean "command"'):
        kind_named("comand")
