"""The log of a detached agent stays small."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmos.agents import locations, start
from llmos.agents.logsize import MOST
from llmos.tests.agents.running import until

PRINTS = """
import os, sys
from pathlib import Path
from llmos.agents.logsize import keep_small
for number in range(int(sys.argv[2])):
    print(number, flush=True)
    os.write(2, b"." * 40 + b"\\n")
    keep_small(Path(sys.argv[1]), most=100)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "agent.log"


def printed(log: Path, times: int, into: Path | None = None) -> None:
    """Let a process print to a log so many times, and look after it each time."""
    with (into or log).open("ab") as file:
        program = [sys.executable, "-c", PRINTS, str(log), str(times)]
        subprocess.run(program, stdout=file, stderr=file, check=True)


def test_a_full_log_becomes_the_older_one_and_no_line_is_lost(log: Path) -> None:
    printed(log, 4)
    older = log.with_name("agent.log.1")
    assert older.read_text() == "".join(f"{number}\n{'.' * 40}\n" for number in range(3))
    assert log.read_text() == f"3\n{'.' * 40}\n"
    assert sorted(log.parent.iterdir()) == [log, older]


def test_of_several_only_the_newest_is_kept(log: Path) -> None:
    printed(log, 100)
    both = [log.with_name("agent.log.1"), log]
    assert sorted(log.parent.iterdir()) == both[::-1]
    assert both[0].read_text().startswith("96\n")
    assert both[1].read_text().startswith("99\n")


def test_what_is_printed_elsewhere_is_left_alone(log: Path, tmp_path: Path) -> None:
    log.write_text("x" * 1000)
    printed(log, 9, into=tmp_path / "terminal")
    assert log.stat().st_size == 1000
    assert len((tmp_path / "terminal").read_text()) == 9 * 43


def test_where_none_can_be_made_it_goes_on(log: Path) -> None:
    log.with_name("agent.log.new").mkdir()
    printed(log, 9)
    assert log.stat().st_size == 9 * 43


@pytest.fixture
def place(tmp_path: Path) -> Iterator[locations.Locations]:
    found = locations.find(tmp_path / "state")
    yield found
    start.spawn(found).kill()
    start.spawn(found).wait()


def test_a_detached_agent_looks_after_its_log(place: locations.Locations) -> None:
    with place.log.open("wb") as file:
        os.truncate(file.fileno(), MOST + 1)
    start.ensure(place)
    older = place.log.with_name("agent.log.1")
    until(lambda: older.exists() and place.log.exists())
    assert older.stat().st_size == MOST + 1
    assert place.log.stat().st_size == 0
