import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmos.tests.conftest import PATIENCE, FrontDoor

GOLDEN = Path(__file__).with_name("golden")


@pytest.fixture
def spec(tmp_path: Path) -> Callable[[str], str]:
    """Writes the spec of a job that is one plain process of a script; its path."""

    def write(script: str, name: str = "tiny") -> str:
        program = tmp_path / f"{name}.py"
        program.write_text(script)
        path = tmp_path / f"{name}.toml"
        path.write_text(
            f'kind = "command"\nname = "{name}"\n'
            f'[command]\nscript = "{program}"\nlauncher = "plain"\n'
        )
        return str(path)

    return write


@pytest.fixture
def until_state(llmos: FrontDoor) -> Callable[[str, str], dict[str, Any]]:
    """Waits for a job to be in a state; what is known of it then."""

    def wait(job: str, state: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found: dict[str, Any] = json.loads(llmos("job", job, "--json"))["job"]
            if found["summary"]["state"] == state:
                return found
            time.sleep(0.1)
        pytest.fail(f"job {job} is never {state}: {found['summary']}")

    return wait


@pytest.fixture
def conforms() -> Callable[[object, str], None]:
    """Holds a JSON output to its golden schema: every key is there, none is new, types fit."""

    def check(content: object, name: str) -> None:
        _check(content, json.loads((GOLDEN / f"{name}.json").read_text()), name)

    return check


def _check(value: object, form: object, path: str) -> None:
    """A form is a type's name, with "?" where null may be; [form]; {key: form}; or {"*": form}."""
    if isinstance(form, dict):
        assert isinstance(value, dict), path
        if "*" in form:
            form = dict.fromkeys(value, form["*"])
        assert value.keys() == form.keys(), path
        for key, inner in form.items():
            _check(value[key], inner, f"{path}.{key}")
    elif isinstance(form, list):
        assert isinstance(value, list), path
        for at, inner in enumerate(value):
            _check(inner, form[0], f"{path}[{at}]")
    else:
        assert isinstance(form, str)
        name = form.removesuffix("?")
        fits = value is None if form.endswith("?") and value is None else _is(value, name)
        assert fits, f"{path}: expected {form}, got {value!r}"


def _is(value: object, name: str) -> bool:
    if name == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return name == "any" or isinstance(value, {"text": str, "flag": bool}[name])
