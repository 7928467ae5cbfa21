"""What the ranks of a task do right now: their state, and the stacks of their threads.

Who tells is tried in this order: the rank itself, by the handler that `engine/rank.py` registers,
which answers whatever the rank's Python waits for; py-spy, which reads the rank's memory and does
not stop it; py-spy again, which stops it for a moment and reads C's frames, too.

A rank is signalled only where it has registered the handler. SIGURG is ignored by default, so that
one which replaces itself at that very moment lives on.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from ...protocol.jobs import RankStacks, RankState
from ..regularfile import open_regular
from ..task import descent
from ..task.descent import Process
from ..task.taskfolder import TaskFolder
from ..task.words import how_it_ended

AT_ONCE: Final = 32
"""Ranks that are looked at together."""

SECONDS: Final = 9.0
"""For all ranks together: a client waits for ten."""

HANDLER_SECONDS: Final = 2.0
PY_SPY_SECONDS: Final = 5.0

LONGEST: Final = 2**18
"""Bytes of the stacks of one rank; faulthandler itself ends after 100 threads."""

STOPPED: Final = "stopped"
GONE: Final = "gone"

_STATES: Final = {
    "R": "running",
    "S": "sleeping",
    "I": "sleeping",
    "D": "waiting in the kernel",
    "T": STOPPED,
    "t": STOPPED,
}
"""By the letter in `/proc/PID/stat`, which is the main thread's. "t": held by a debugger."""

_LOOK: Final = 0.02
_BIT: Final = 1 << (signal.SIGURG - 1)
_FIRST_LINE: Final = re.compile(r"^(Current thread|Thread) 0x", re.MULTILINE)


class Answer(NamedTuple):
    """What one way to the stacks came to."""

    text: str = ""
    why: str = ""
    """Without text: why there is none."""


async def take(
    folder: TaskFolder, ranks: Sequence[RankState], *, native: bool = False
) -> list[RankStacks]:
    """The stacks of these ranks, all at once; with `native`, C's frames first of all.

    Takes SECONDS at most, and as a rule a few hundredths of one.
    """
    if not ranks:
        return []
    until = time.monotonic() + SECONDS
    threads = ThreadPoolExecutor(min(len(ranks), AT_ONCE), "stacks")
    run = asyncio.get_running_loop().run_in_executor
    try:
        looks = (run(threads, _stacks_of, folder, rank, native, until) for rank in ranks)
        return list(await asyncio.gather(*looks))
    finally:
        # Who asked may have gone: the loop does not wait for the looks that are under way.
        threads.shutdown(wait=False, cancel_futures=True)


def _stacks_of(folder: TaskFolder, rank: RankState, native: bool, until: float) -> RankStacks:
    """The stacks of one rank, waited for."""
    process = _process(folder, rank)
    state = _state(process)
    told = RankStacks(rank=rank.rank, pid=rank.pid, state=state)
    if process is None or state == GONE:
        told.text = f"it {how_it_ended(rank.exit_code)}"
        return told
    reasons = []
    for method, ask in _ways(folder, rank.rank, process, state, native):
        left = until - time.monotonic()
        answer = ask(left) if left > 0 else Answer(why="no time was left")
        if answer.text and descent.living(process):
            told.method = method
            told.text = _kernel_stack(process.pid, state) + answer.text[:LONGEST].strip("\n")
            return told
        reasons.append(answer.why or "it has ended meanwhile")
    told.text = "; ".join(dict.fromkeys(reasons))
    return told


def _ways(
    folder: TaskFolder, rank: int, process: Process, state: str, native: bool
) -> Iterator[tuple[str, Callable[[float], Answer]]]:
    """Who may tell, in the order in which they are asked; each is told how many seconds it has."""
    natively = ("py-spy --native", partial(_ask_py_spy, process.pid, "--native"))
    # py-spy stops a rank to look at C's frames, which one that is stopped already does not heed.
    can_be_held = state != STOPPED
    if native and can_be_held:
        yield natively
    if can_be_held:
        yield "faulthandler", partial(_ask_handler, folder, rank, process)
    yield "py-spy", partial(_ask_py_spy, process.pid, "--nonblocking")
    if not native and can_be_held:
        yield natively


def _process(folder: TaskFolder, rank: RankState) -> Process | None:
    """The rank's process. Of one whose start was not noted, the mark of its task must be there."""
    if rank.ticks:
        return Process(rank.pid, rank.ticks)
    found = descent.status(rank.pid)
    marked = descent.environment(rank.pid).get("LLMOS_TASK") == str(folder.path)
    return found.process if found is not None and marked else None


def _state(process: Process | None) -> str:
    """What the rank does, in a word or two."""
    found = None if process is None else descent.status(process.pid)
    if found is None or found.process != process or found.state in descent.GONE:
        return GONE
    return _STATES.get(found.state, "sleeping")


def _kernel_stack(pid: int, state: str) -> str:
    """Of a rank that waits in the kernel: what for, as far as we may look."""
    if state != _STATES["D"]:
        return ""
    place = _read(f"/proc/{pid}/wchan").strip("0\n") or "where, we may not look"
    return f"In the kernel: {place}\n{_read(f'/proc/{pid}/stack')}\n"


# The rank itself


def _ask_handler(folder: TaskFolder, rank: int, process: Process, seconds: float) -> Answer:
    """Signal the rank and read what it appends."""
    if not has_handler(process.pid):
        return Answer(why="it has no handler for stacks")
    answers = folder.stacks(rank)
    if not answers.is_file():
        answers = folder.log(rank)  # where a rank of an older llmos, or on a full disk, writes
    before = _size(answers)
    always_blocking = set(_threads_blocking(process.pid))
    if not descent.send(process, signal.SIGURG):
        return Answer(why="it may not be signalled")
    until = time.monotonic() + min(seconds, HANDLER_SECONDS)
    while time.monotonic() < until:
        time.sleep(_LOOK)
        if _size(answers) > before and always_blocking.issuperset(_threads_blocking(process.pid)):
            break
    text = _from(answers, before)
    found = _FIRST_LINE.search(text)
    if found is None:
        return Answer(why="it did not answer in time")
    return Answer(text[found.start() :])


def has_handler(pid: int) -> bool:
    """Whether a process catches the signal that asks for stacks."""
    return bool(_mask(_read(f"/proc/{pid}/status"), "SigCgt") & _BIT)


def _threads_blocking(pid: int) -> Iterator[str]:
    """Threads for which the signal waits or is blocked: the one whose handler runs, and those that
    always block it. While none but these is left, the answer is complete."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return
    for thread in threads:
        status = _read(f"/proc/{pid}/task/{thread}/status")
        if any(_mask(status, name) & _BIT for name in ("SigBlk", "SigPnd")):
            yield thread


def _mask(status: str, name: str) -> int:
    """A set of signals in `/proc/PID/status`; empty where it is not there."""
    _, _, rest = status.partition(f"\n{name}:")
    return int(rest.split(maxsplit=1)[0], 16) if rest else 0


# py-spy


def _ask_py_spy(pid: int, option: str, seconds: float) -> Answer:
    program = _py_spy()
    if program is None:
        return Answer(why="py-spy is not installed (pip install py-spy)")
    done = subprocess.Popen(
        [program, "dump", option, "--full-filenames", "--pid", str(pid)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"RUST_BACKTRACE": "0"},
        text=True,
        errors="replace",
    )
    try:
        said, complaint = done.communicate(timeout=min(seconds, PY_SPY_SECONDS))
    except subprocess.TimeoutExpired:
        done.kill()
        _let_go(done)
        return Answer(why=f"py-spy {option} did not end in time")
    stacks = said.partition("\nThread ")
    if done.returncode or not stacks[1]:
        return Answer(why=f"py-spy {option}: {_complaint(complaint)}")
    # Without its heading: the command line may hold what is not for everybody.
    return Answer((stacks[1] + stacks[2]).strip("\n"))


def _py_spy() -> str | None:
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if os.access(beside, os.X_OK) else shutil.which("py-spy")


def _let_go(process: subprocess.Popen[str]) -> None:
    """Reap what was killed, unless the kernel holds it: then it is left to itself."""
    try:
        process.communicate(timeout=0.5)
    except subprocess.TimeoutExpired:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _complaint(said: str) -> str:
    """The first and the last reason that py-spy names, which are what and why."""
    lines = [line.strip() for line in said.partition("Stack backtrace")[0].splitlines()]
    named = [line for line in lines if line and line != "Caused by:"]
    reasons = [re.sub(r"^(Error|\d+): ", "", line) for line in named]
    return ": ".join(dict.fromkeys([*reasons[:1], *reasons[-1:]])) or "it says nothing"


# Files


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _from(path: Path, offset: int) -> str:
    try:
        with open_regular(path) as file:
            return os.pread(file.fileno(), LONGEST, offset).decode("utf-8", "replace")
    except OSError:
        return ""
