"""`llmos stacks`: of ranks that run, of one of them, of a job that has ended."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llmos.agents.protocol.jobs import RankStacks
from llmos.console.stacktext import folded
from llmos.tests.conftest import FrontDoor

Spec = Callable[[str], str]
Until = Callable[[str, str], dict[str, Any]]
Conforms = Callable[[object, str], None]

WAITING = """
import os, pathlib, threading
def wait_for_ever():
    pathlib.Path(f"{folder}/up-{{os.environ['RANK']}}").touch()
    threading.Event().wait()
def odd_one_out():
    wait_for_ever()
odd_one_out() if os.environ["RANK"] == "1" else wait_for_ever()
"""


def told(rank: int, text: str, method: str | None = "faulthandler", **other: Any) -> RankStacks:
    known: dict[str, Any] = {"pid": 100 + rank, "state": "sleeping"} | other
    return RankStacks(rank=rank, text=text, method=method, **known)


def test_ranks_at_the_same_place_are_one_and_the_odd_one_out_is_first() -> None:
    alike = [told(rank, f"Thread 0x{rank:x} (most recent):\n  at x") for rank in range(3)]
    odd = told(3, "Thread 0x1 (most recent):\n  at y", state="running")
    gone = told(4, "it was killed by SIGKILL", None, state="gone")
    headings = [fold.heading for fold in folded([*alike, odd, gone])]
    assert headings == [
        "rank 3 · pid 103 · running · by faulthandler",
        "rank 4 · pid 104 · gone",
        "ranks 0-2 ×3 · pids 100-102 · sleeping · by faulthandler",
    ]


def test_states_of_ranks_at_the_same_place_are_counted() -> None:
    (fold,) = folded([told(0, "at x"), told(1, "at x", state="running"), told(2, "at x")])
    assert "2 of 3 sleeping, 1 of 3 running" in fold.heading
    assert fold.ranks == [0, 1, 2]


def test_what_would_steer_the_terminal_is_left_out() -> None:
    (fold,) = folded([told(0, "File \x1b[31mred\x1b[0m\x07.py")])
    assert fold.text == "File red.py"


def test_of_a_running_job_each_rank_is_told(
    llmos: FrontDoor, tmp_path: Path, until_state: Until, conforms: Conforms
) -> None:
    script = tmp_path / "waiting.py"
    script.write_text(WAITING.format(folder=tmp_path))
    spec = tmp_path / "waiting.toml"
    spec.write_text(
        f'kind = "command"\nname = "waiting"\n[resources]\nranks = 3\n'
        f'[command]\nscript = "{script}"\n'
    )
    job = llmos("submit", str(spec)).strip()
    until_state(job, "running")
    while not all((tmp_path / f"up-{rank}").exists() for rank in range(3)):
        until_state(job, "running")

    content = json.loads(llmos("stacks", job, "--json"))
    conforms(content, "stacks")
    assert [each["rank"] for each in content["stacks"]] == [0, 1, 2]
    assert {each["method"] for each in content["stacks"]} == {"faulthandler"}

    odd, others = llmos("stacks", job).split("\n\n", 1)
    assert odd.startswith("rank 1 · pid ")
    assert "odd_one_out" in odd
    assert others.startswith("ranks 0,2 ×2 · ")
    assert "wait_for_ever" in others

    (only,) = json.loads(llmos("stacks", job, "--rank", "2", "--json"))["stacks"]
    assert only["rank"] == 2
    assert llmos.error("stacks", job, "--rank", "9", code=1) == (
        f"job {job} has no rank 9; its ranks are 0, 1, 2"
    )
    llmos("stop", job)
    until_state(job, "stopped")
    assert llmos.error("stacks", job, code=1) == f"job {job} has ended: stopped"


def test_there_is_no_such_job(llmos: FrontDoor) -> None:
    assert llmos.error("stacks", "77", code=1) == "there is no job 77; `llmos jobs` lists them"
