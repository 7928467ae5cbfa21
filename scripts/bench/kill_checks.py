"""What must hold of a job that has ended, and of a host when all have."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from llmos.agents.node.task import descent, failures
from llmos.agents.node.task.leases import Leases
from llmos.agents.node.task.taskfolder import TaskFolder
from llmos.agents.records.database import NAME
from llmos.scripts.bench.kill_jobs import MOST_ATTEMPTS
from llmos.scripts.bench.kill_place import Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from llmos.scripts.bench.kill_findings import Findings
    from llmos.scripts.bench.kill_jobs import Job
    from llmos.scripts.bench.kill_place import Place
    from llmos.scripts.bench.kill_truth import AttemptTruth, RankTruth, Truths

KILLED: Final = -9
GRACE: Final = 10.0
"""Seconds, the agent's default."""

ESCAPEES_SECONDS: Final = 1.0
DISTURBED_SECONDS: Final = 3.0
"""After which another shim has long taken over."""

LISTENING: Final = "0A"
LEAVE_SECONDS: Final = 5.0
"""Until what ends with its agent has ended."""

LINE: Final = re.compile(rb"^line (\d+|last)$", re.MULTILINE)


class EndedJob:
    """A job that has ended, looked at from all sides."""

    def __init__(self, job: Job, truth: dict[int, AttemptTruth], findings: Findings) -> None:
        assert job.record is not None
        self._job = job
        self._truth = truth
        self._findings = findings
        self._summary: dict[str, Any] = job.record["summary"]  # type: ignore[assignment]
        self._attempts: list[dict[str, Any]] = job.record["attempts"]  # type: ignore[assignment]

    def check(self) -> None:
        """All of it."""
        if not self._attempts:
            right = self._job.stop_sent is not None and self._summary["state"] == "stopped"
            cause = f"{self._summary['state']} without an attempt: {self._summary['cause']}"
            self._expect("end", right, cause)
        for attempt in self._attempts:
            self._check_attempt(attempt)
        self._check_succession()
        for number, truth in self._truth.items():
            folder = TaskFolder(self._job.agent.state / "run" / str(self._job.id) / f"a{number}")
            self._check_codes(number, truth, folder)
            for rank, of_rank in truth.ranks.items():
                self._check_log(number, rank, of_rank, folder.log(rank))
            self._check_escapees(number, truth)

    def _expect(self, check: str, right: bool, text: str) -> None:
        self._findings.expect(check, right, self._job, text)

    def _struck(self, attempt: int) -> list[int]:
        """The ranks whose kill made the attempt fail: one that was about to end did not."""
        truth = self._truth.get(attempt)
        struck = self._job.struck.get(attempt, [])
        return [r for r in struck if not (truth and r in truth.ranks and truth.ranks[r].ends)]

    def _check_attempt(self, attempt: dict[str, Any]) -> None:
        number, kind, failure = attempt["attempt"], self._job.kind, attempt["failure"]
        failed_of = (failure["name"], failure["rank"], failure["exit_code"]) if failure else None
        said = f"a{number} {attempt['state']}, {failed_of}: {attempt['cause']}"
        truth, struck = self._truth.get(number), self._struck(number)
        if failure and failure["name"] == failures.OURS.name:
            ran = truth is not None and len(truth.ranks) == kind.ranks
            self._expect("end", not ran, f"{said}, though every rank ran")
            self._findings.notes["attempts lost before every rank ran, repeated uncounted"] += 1
            return None
        if self._job.stop_sent and attempt["state"] == "stopped":
            return self._expect("end", kind.state == "stopped" or bool(struck), said)
        if struck:
            right = failed_of in [("killed", rank, KILLED) for rank in struck[:1]]
            own = self._own_failure(truth)
            return self._expect("end", right or (own and failed_of == own), said)
        right = attempt["state"] == kind.state
        if kind.state == "failed":
            right = right and failure is not None and failed_of is not None
            right = right and failed_of[1:] == (kind.failing, kind.code)  # type: ignore[index]
        about_to_end = bool(self._job.struck.get(number)) and attempt["state"] == "failed"
        return self._expect("end", right or about_to_end, said)

    def _own_failure(self, truth: AttemptTruth | None) -> Any:
        """How the attempt would have failed anyhow, if its failing rank had got that far."""
        kind = self._job.kind
        if truth is None or kind.failing is None or kind.failing not in truth.ranks:
            return None
        return ("error", kind.failing, kind.code) if truth.ranks[kind.failing].ends else None

    def _check_succession(self) -> None:
        """Each attempt but the last had a reason to be followed, and the last had none."""
        kind, killed = self._job.kind, 0
        for attempt in self._attempts:
            failure = attempt["failure"]
            name = failure["name"] if failure else None
            killed += name == failures.KILLED.name
            again = name == failures.OURS.name or (
                name == failures.KILLED.name and kind.retries and killed < MOST_ATTEMPTS
            )
            last = attempt is self._attempts[-1]
            stopped = last and self._job.stop_sent is not None
            text = f"a{attempt['attempt']}, {name}, {'is the last' if last else 'was repeated'}"
            self._expect("attempts", again != last or stopped, text)
        if self._attempts:
            last_state = self._attempts[-1]["state"]
            shown = self._summary["state"]
            self._expect("end", shown == last_state, f"{shown}, the last attempt {last_state}")
        numbers = {attempt["attempt"] for attempt in self._attempts}
        self._expect("attempts", set(self._truth) <= numbers, f"ran {set(self._truth)}")
        for number, truth in self._truth.items():
            for rank, of_rank in truth.ranks.items():
                self._expect(
                    "attempts",
                    of_rank.born == 1,
                    f"rank {rank} of a{number} was started {of_rank.born} times",
                )

    def _check_codes(self, number: int, truth: AttemptTruth, folder: TaskFolder) -> None:
        state = folder.read_state()
        if state is None:
            return self._expect("exit codes", False, f"a{number} ran and has no state")
        codes = {rank.rank: rank.exit_code for rank in state.ranks}
        struck = self._job.struck.get(number, [])
        for rank, of_rank in truth.ranks.items():
            code, right = codes.get(rank), True
            if of_rank.code is not None:
                ended_by_others = state.state != "succeeded" and code == KILLED
                right = code == of_rank.code or ended_by_others
            elif rank in struck:
                right = code == KILLED
            else:
                right = code is not None and code != 0
            text = f"a{number} rank {rank}: {code}, said {of_rank.code}, struck {struck}"
            self._expect("exit codes", right, text)
        return None

    def _check_log(self, number: int, rank: int, truth: RankTruth, log: Path) -> None:
        lines = LINE.findall(log.read_bytes() if log.exists() else b"")
        numbered = lines[:-1] if lines[-1:] == [b"last"] else lines
        complete = numbered == [b"%d" % at for at in range(len(numbered))]
        complete = complete and (truth.code is None or lines[-1:] == [b"last"])
        said = b" ".join(lines[-6:]).decode()
        self._expect("logs", complete, f"a{number} rank {rank}: …{said} ({len(lines)} lines)")

    def _check_escapees(self, number: int, truth: AttemptTruth) -> None:
        """They are gone soon after the ranks; of a stopped job, soon after the grace period."""
        end = truth.died
        if not truth.escapees or end is None:
            return None
        job = self._job
        if job.stopped is not None:
            end = min(end, job.stopped + GRACE)
        gone = [one.died for one in truth.escapees]
        if None in gone:
            return self._expect("escapees", False, f"a{number}: {gone.count(None)} live on")
        late = max([*(one for one in gone if one), end]) - end
        if self._disturbed(end, end + late):
            self._findings.figure("end → escapees gone, shim or launcher struck meanwhile", late)
            return self._findings.count("escapees", len(gone))
        self._findings.figure("end → escapees gone", late)
        self._findings.count("escapees", len(gone) - 1)
        return self._expect("escapees", late <= ESCAPEES_SECONDS, f"a{number}: after {late:.2f} s")

    def _disturbed(self, begin: float, end: float) -> bool:
        """Whether its shim or launcher was struck around that time, or during the grace period."""
        begin = min(begin, self._job.stopped or begin) - DISTURBED_SECONDS
        return any(
            strike.victim.what in ("shim", "launcher") and begin < strike.time < end
            for strike in self._findings.strikes
            if strike.victim.agent is self._job.agent and strike.victim.job == self._job.id
        )


def check_log_shown(job: Job, truth: dict[int, AttemptTruth], findings: Findings) -> None:
    """The agent shows the last line of the last attempt."""
    assert job.record is not None
    last = truth.get(job.record["summary"]["attempt"])  # type: ignore[index]
    for rank, of_rank in last.ranks.items() if last else ():
        if of_rank.code is None:
            continue
        with contextlib.suppress(Unreachable):
            _, pieces = job.agent.ask("GET", f"/v1/jobs/{job.id}/lines?ranks={rank}&lines=50")
            texts = [line["text"] for line in pieces]
            findings.expect(
                "logs", "line last" in texts, job, f"shown of rank {rank}: {texts[-3:]}"
            )


def check_place(place: Place, truths: Truths, findings: Findings) -> None:
    """After the last job, with agents that still run; then without them."""
    leases = Leases(place.leases)
    for uuid in sorted(path.name for path in place.leases.glob("*")):
        findings.count("leases")
        if (holder := leases.holder(uuid)) is not None:
            findings.violated("leases", None, f"{uuid} is held: {holder}")
    _check_ports(place, truths, findings)
    for agent in place.agents:
        agent.end()
    _check_processes(place, truths, findings)
    for agent in place.agents:
        _check_files(agent.state, findings)
        _check_records(agent.state / NAME, findings)


def _check_ports(place: Place, truths: Truths, findings: Findings) -> None:
    """Of the ports that ranks were given, none listens, unless for strangers."""
    ports = {rank.port for one in _all_ranks(truths) for rank in [one] if rank.port}
    findings.count("ports", len(ports))
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            port = int(fields[1].rpartition(":")[2], 16)
            if fields[3] == LISTENING and port in ports:
                owners = [pid for pid in _marked(place.folder) if _has_socket(pid, fields[9])]
                if owners:
                    findings.violated("ports", None, f"{port} listens, of pids {owners}")


def _check_processes(place: Place, truths: Truths, findings: Findings) -> None:
    """Nobody whom a rank named lives, and nobody who bears the campaign's folder on him."""
    until = time.monotonic() + LEAVE_SECONDS
    while (left := _marked(place.folder)) and time.monotonic() < until:
        time.sleep(0.1)
    for pid in left:
        findings.violated("processes", None, f"pid {pid} is left: {_text(pid, 'cmdline')}")
    for name, attempts in truths.attempts.items():
        for number, attempt in attempts.items():
            beings = [*(rank.being for rank in attempt.ranks.values()), *attempt.escapees]
            findings.count("processes", len(beings))
            for being in beings:
                if descent.living(being.process):
                    text = f"pid {being.process.pid} of {name} a{number} is left"
                    findings.violated("processes", None, text)
                    descent.send(being.process, signal.SIGKILL)


def _check_files(state: Path, findings: Findings) -> None:
    findings.count("files", len(list(state.glob("run/*/a*"))))
    for path in [*state.glob("run/**/*.new"), *state.glob("run/**/.*")]:
        findings.violated("files", None, f"{path} is left")


def _check_records(path: Path, findings: Findings) -> None:
    connection = sqlite3.connect(path)
    with contextlib.closing(connection):
        (sound,) = connection.execute("PRAGMA quick_check").fetchone()
        if sound != "ok":
            findings.violated("records", None, f"{path}: {sound}")
        query = "SELECT job, state, cause FROM transitions ORDER BY job, rowid"
        for job, state, cause in connection.execute(query):
            findings.count("records")
            if not cause.strip():
                findings.violated("records", None, f"job {job} became {state} without a cause")
        query = "SELECT id, state FROM jobs WHERE state NOT IN ('succeeded', 'failed', 'stopped')"
        for job, state in connection.execute(query):
            findings.violated("records", None, f"job {job} is {state} for ever")
    moved = list(path.parent.glob("records.corrupt-*"))
    if moved:
        findings.violated("records", None, f"the records were moved aside: {moved}")


def _all_ranks(truths: Truths) -> Iterable[RankTruth]:
    for attempts in truths.attempts.values():
        for attempt in attempts.values():
            yield from attempt.ranks.values()


def _marked(folder: Path) -> list[int]:
    """The processes, other than this one, that bear the folder on them."""
    mark = os.fspath(folder)
    pids = (int(name) for name in os.listdir("/proc") if name.isdecimal())
    return [pid for pid in pids if pid != os.getpid() and any(mark in t for t in _marks(pid))]


def _marks(pid: int) -> Iterator[str]:
    """Where a process may bear a mark: words, environment, folder, open files."""
    status = descent.status(pid)
    if status is None or status.state in descent.GONE:
        return
    yield _text(pid, "cmdline")
    yield _text(pid, "environ")
    with contextlib.suppress(OSError):
        yield os.readlink(f"/proc/{pid}/cwd")
        for name in os.listdir(f"/proc/{pid}/fd"):
            yield os.readlink(f"/proc/{pid}/fd/{name}")


def _text(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def _has_socket(pid: int, inode: str) -> bool:
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            if os.readlink(f"/proc/{pid}/fd/{name}") == f"socket:[{inode}]":
                return True
    return False
