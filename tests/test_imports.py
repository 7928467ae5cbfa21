"""What a start does not pay for: seen in a fresh process, by what it has loaded."""

import json
import subprocess
import sys

import pytest

TORCH = {"torch", "transformers", "accelerate"}
SCREEN = {"textual", "rich"}
EVERYTHING_IN = """
import importlib, pkgutil
room = importlib.import_module({room!r})
for module in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


STARTS = {
    "llmos.__main__": TORCH | {"textual", "aiohttp", "numpy"},
    "llmos.agents.daemon": TORCH | SCREEN | {"numpy"},
    "llmos.agents.node.task.shim": TORCH | SCREEN | {"aiohttp", "numpy"},
    "llmos.engine.catalog": TORCH | SCREEN | {"numpy"},
    "llmos.console.app": TORCH | {"aiohttp"},
}

ROOMS = {
    "llmos.agents": TORCH | SCREEN,
    "llmos.agents.protocol": TORCH | SCREEN | {"aiohttp", "numpy"},
    "llmos.agents.samplers": TORCH | SCREEN | {"numpy"},
    "llmos.agents.records": TORCH | SCREEN | {"numpy"},
    "llmos.agents.node": TORCH | SCREEN | {"numpy"},
    "llmos.console": TORCH,
}


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh process has loaded after `code`."""
    code += "\nimport json, sys; print(json.dumps([name.split('.')[0] for name in sys.modules]))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return set(json.loads(process.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", STARTS)
def test_a_start_leaves_out_what_it_does_not_need(module: str) -> None:
    loaded = loaded_by(f"import {module}")
    assert "llmos" in loaded
    assert loaded & STARTS[module] == set()


@pytest.mark.parametrize("room", ROOMS)
def test_no_module_of_a_room_loads_what_the_room_must_not_know(room: str) -> None:
    loaded = loaded_by(EVERYTHING_IN.format(room=room))
    assert "llmos" in loaded
    assert loaded & ROOMS[room] == set()
