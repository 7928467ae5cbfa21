"""Whom the kill campaign strikes: finds the processes of an agent and its jobs, and kills or stops
one of them."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from llmos.agents.node.task import descent, launcher
from llmos.agents.node.task.taskfolder import TaskFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from llmos.scripts.bench.kill_jobs import Job
    from llmos.scripts.bench.kill_place import Agent

WEIGHTS: Final = {"agent": 15, "shim": 30, "launcher": 20, "warm launcher": 12, "rank": 10}
STOPS: Final = 0.15
"""Of all strikes, the share that only stops a process for a while."""

STOP_SECONDS: Final = (0.2, 4.0)


class Victim(NamedTuple):
    """A process that may be struck."""

    what: str
    process: descent.Process
    agent: Agent
    folder: TaskFolder | None = None
    rank: int | None = None

    @property
    def job(self) -> str | None:
        """The id of its job."""
        return self.folder.path.parent.name if self.folder else None

    @property
    def attempt(self) -> int:
        """The attempt that it belongs to, 0 for none."""
        return int(self.folder.path.name[1:]) if self.folder else 0


class Strike(NamedTuple):
    """What was done to whom."""

    time: float
    how: str
    victim: Victim

    def __str__(self) -> str:
        victim = self.victim
        of = f" of job {victim.job} a{victim.attempt}" if victim.folder else ""
        rank = "" if victim.rank is None else f" {victim.rank}"
        return f"{self.how} {victim.what}{rank}{of} (pid {victim.process.pid})"


def victims(agent: Agent) -> Iterator[Victim]:
    """Every process of an agent that llmos has started, escapees left out."""
    if agent.pid is not None and (found := descent.status(agent.pid)) is not None:
        yield Victim("agent", found.process, agent)
    run, warm_log = agent.state / "run", agent.state / "warm.log"
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            output = Path(os.readlink(f"/proc/{name}/fd/1"))
        except OSError:
            continue
        found = descent.status(int(name))
        if found is None or found.state in descent.GONE:
            continue
        if output == warm_log:
            what = "shim" if "llmos.engine.warm" in _words(found.parent) else "warm launcher"
            yield Victim(what, found.process, agent)
        elif output.is_relative_to(run):
            parts = output.relative_to(run).parts
            victim = _of_task(agent, TaskFolder(run / parts[0] / parts[1]), found)
            if victim is not None:
                yield victim


def _of_task(agent: Agent, folder: TaskFolder, found: descent.Status) -> Victim | None:
    """Who that is, of those whose output goes to a task folder."""
    process = found.process
    for said in launcher.said_in(launcher.lines_of(folder)):
        if (said.pid, said.ticks) == process:
            known = "rank" if said.what == "rank" else "launcher"
            rank = said.rank if said.what == "rank" else None
            return Victim(known, process, agent, folder, rank)
    state = folder.read_state()
    if state is not None and state.shim == process.pid:
        return Victim("shim", process, agent, folder)
    name, above = _name(process.pid), _name(found.parent)
    if name.startswith("llmos-rank") or above == "llmos-launcher":
        return None  # a rank that nobody has named yet, or what came of one
    if name == "llmos-launcher" or above == "llmos-shim":
        return Victim("launcher", process, agent, folder)
    fresh = name == "llmos-shim" or "llmos.agents.node.task.shim" in _words(process.pid)
    return Victim("shim", process, agent, folder) if fresh else None


def strike(victim: Victim, random: Random, *, stop: bool) -> Strike | None:
    """Kill it, or stop it for a while; None where it was gone."""
    seconds = random.uniform(*STOP_SECONDS)
    number = signal.SIGSTOP if stop else signal.SIGKILL
    moment = time.time()
    if not descent.living(victim.process) or not descent.send(victim.process, number):
        return None
    if stop:
        victim.agent.answered_since = None
        timer = threading.Timer(seconds, descent.send, (victim.process, signal.SIGCONT))
        timer.daemon = True
        timer.start()
        return Strike(moment, f"stopped for {seconds:.1f} s", victim)
    if victim.what == "agent":
        victim.agent.answered_since = None
    return Strike(moment, "killed", victim)


def choose(agents: list[Agent], random: Random, *, job: Job | None = None) -> Victim | None:
    """One of all, each kind of process with its own weight; `job` for one of that job's own.

    None where there is none of that kind: the agent must not be struck the more often, the less
    else there is.
    """
    found: dict[str, list[Victim]] = {}
    for agent in [job.agent] if job else agents:
        for victim in victims(agent):
            if job is None or victim.job in (None, job.id):
                found.setdefault(victim.what, []).append(victim)
    kinds = sorted(WEIGHTS)
    (what,) = random.choices(kinds, [WEIGHTS[kind] for kind in kinds])
    return random.choice(found[what]) if what in found else None


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _words(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []
