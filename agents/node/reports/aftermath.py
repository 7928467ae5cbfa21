"""What the node measured around the end of a task, kept in its folder for who asks why it ended.

The agent keeps its samples for ten minutes only; what a task was beside is kept as long as the
task. A node that has no room for it keeps nothing: it is no reason for a job to fail.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from ...errors import FrameError
from ...protocol.facts import NodeFacts
from ...protocol.samples import unpack_sample
from ..task.taskfolder import TaskFolder

BEFORE: Final = 60.0
AFTER: Final = 5.0
"""Seconds before and after the end: its cause, and what the GPUs did when they were let go."""

MOST_SAMPLES: Final = 300
"""Of more, as with a reader that wanted ten a second, the newest: a megabyte, with 8 GPUs."""

Sample = tuple[float, bytes]
"""When it was sent, in seconds since 1970, and the payload of its frame."""


class Window(NamedTuple):
    """The time around an end: seconds since 1970."""

    first: float
    last: float

    def holds(self, moment: float) -> bool:
        """Whether it is in this time."""
        return self.first <= moment <= self.last


def window(ended: float, started: float | None = None) -> Window:
    """The time around an end of which samples are kept: none of long before the task began."""
    first = ended - BEFORE
    return Window(first if started is None else max(first, started - AFTER), ended + AFTER)


def keep(folder: TaskFolder, facts: NodeFacts, samples: Sequence[Sample]) -> bool:
    """Write `facts.json` and `samples.jsonl`; False, and neither of them, where that fails.

    Blocks for as long as the disk takes: not for an event loop.
    """
    try:
        _replace(folder.facts, [facts_text(facts)])
        _replace(folder.samples, lines(samples))
    except OSError:
        for path in (folder.facts, folder.samples):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        return False
    return True


def facts_text(facts: NodeFacts) -> bytes:
    """The facts as JSON that a person reads."""
    return msgspec.json.format(msgspec.json.encode(facts)) + b"\n"


def lines(samples: Sequence[Sample]) -> Iterator[bytes]:
    """The samples as JSON, one a line: time, node, gpus; null is "not known"."""
    for moment, payload in samples[-MOST_SAMPLES:]:
        try:
            nodes, gpus = unpack_sample(payload)
        except FrameError:
            continue
        node, *_ = map(_own, nodes or [{}])
        line = {"time": moment, "node": node, "gpus": [_own(gpu) for gpu in gpus]}
        yield msgspec.json.encode(line) + b"\n"


def _own(record: dict[str, Any]) -> dict[str, Any]:
    """A record without the slot, which means something on a stream only."""
    return {name: value for name, value in record.items() if name != "slot"}


def _replace(path: Path, text: Iterable[bytes]) -> None:
    """Write a file as a whole or not at all. Raises OSError."""
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.writelines(text)
        new.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise
