"""Settings for the tests of agents, and agents that run."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from llmos.tests.agents.running import RunningAgent

settings.register_profile("no timing", deadline=None)
settings.load_profile("no timing")


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[Callable[..., RunningAgent]]:
    """Starts agents in processes of their own; they are ended with the test."""
    started: list[RunningAgent] = []

    def start(
        *options: str, state: Path | None = None, environment: dict[str, str] | None = None
    ) -> RunningAgent:
        started.append(RunningAgent(state or tmp_path / "state", options, environment or {}))
        return started[-1]

    yield start
    for agent in started:
        agent.kill()
