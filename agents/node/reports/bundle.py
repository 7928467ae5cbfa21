"""All that a node knows of a job as one archive, to be sent to who looks for what went wrong.

It is packed piece by piece while it is sent, and holds no secret: see `redaction`. Of an attempt
whose order cannot be read, so that its secrets are not known, nothing that it wrote is passed on.
"""

import os
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tarfile import BLOCKSIZE, TarInfo
from typing import Final, NamedTuple

import msgspec

from ...protocol.events import Event
from ...protocol.facts import NodeFacts
from ...protocol.jobs import ENDED, Curve, JobRecord, LogLine, RankStacks
from ...records.secrets import without_secrets
from ...version import llmos_version
from ..regularfile import open_regular
from ..task import descent
from ..task.taskfolder import TaskFolder
from .aftermath import Sample, facts_text, lines, window
from .logs import kept_from
from .merged import merged
from .redaction import Redaction, secret_values

FILE_LIMIT: Final = 10 * 2**20
"""Bytes of one file, its last ones."""

RANKS_LIMIT: Final = 256 * 2**20
"""Bytes of the logs of all ranks, and of their figures, in equal shares."""

EARLIER_LIMIT: Final = 2**20
"""Bytes of one file of an attempt before the newest."""

MERGED_LINES: Final = 5000
"""Lines of all ranks by time, the last ones. They are held in memory, and may be long."""

ATTEMPTS: Final = 5
"""The newest ones."""

EVENTS_AROUND: Final = 600.0
"""Seconds before and after a job in which what happened to the node is told with it."""

WHAT_IS_WHAT: Final = (
    ("job.json", "the job: its state and its causes, what was asked for, its attempts and results"),
    ("spec.json", "its spec"),
    ("events.json", "what happened on the node, from ten minutes before to ten minutes after"),
    ("stacks.json", "what its ranks did when this was made; of a job that runs"),
    ("curves.json", "its figures, thinned"),
    ("aN/state.json", "attempt N as its shim told it: pids, exit codes, what failed first"),
    ("aN/shim.log", "what llmos itself printed"),
    ("aN/launcher.jsonl", "when which rank was started, and how it ended"),
    ("aN/exits/", "what each rank said of its end"),
    ("aN/logs/", "what each rank printed, the last 10 MB at most; merged.log: all of them by time"),
    ("aN/progress/", "the figures that each rank wrote, a line each"),
    ("aN/sources.json", "where figures were found that the ranks wrote for other programs"),
    ("aN/stacks/", "the stacks that ranks told when they were asked"),
    ("aN/facts.json", "what the node was, or is"),
    ("aN/samples.jsonl", "what it measured around the end, or now; null: not known"),
)
"""The contents, in order."""

_PLAIN_FILES: Final = ("state.json", "shim.log", "launcher.jsonl", "sources.json")
_RANK_FILES: Final = (
    ("exits", "rank-*.json"),
    ("logs", "rank-*.log"),
    ("progress", "rank-*.jsonl"),
    ("stacks", "rank-*.txt"),
)
_BLOCK: Final = 2**20

Part = tuple[str, bytes]
"""A file of the archive: its name and what it holds."""


class Contents(NamedTuple):
    """What the agent knows of a job beside its folder."""

    record: JobRecord
    facts: NodeFacts
    events: Sequence[Event] = ()
    samples: Sequence[Sample] = ()
    """The newest, for an attempt that has kept none."""

    stacks: Sequence[RankStacks] = ()
    curves: Sequence[Curve] = ()


def build(contents: Contents) -> Iterator[bytes]:
    """The archive, a gzipped tar, in pieces none of which is empty.

    Blocks between the pieces, for a second at most: not for an event loop.
    """
    return packed(f"llmos-job-{contents.record.summary.id}", parts(contents))


def parts(contents: Contents) -> Iterator[Part]:
    """The files of the archive, without secrets; each is made when it is asked for."""
    folders, left_out = _readable(contents.record)
    redaction = Redaction(_secrets(contents.record, folders))
    for name, content in _all_parts(contents, folders, left_out, redaction):
        yield name, redaction(content)


def packed(folder: str, files: Iterable[Part]) -> Iterator[bytes]:
    """Files as a gzipped tar, everything in one folder, for its owner alone."""
    now = int(time.time())
    gzip = zlib.compressobj(wbits=31)
    for name, content in files:
        head = TarInfo(f"{folder}/{name}")
        head.size, head.mtime, head.mode = len(content), now, 0o600
        yield from _compressed(gzip, head.tobuf())
        yield from _compressed(gzip, content)
        yield from _compressed(gzip, bytes(-len(content) % BLOCKSIZE))
    yield from _compressed(gzip, bytes(2 * BLOCKSIZE))
    yield gzip.flush()


def _compressed(gzip: "zlib._Compress", content: bytes) -> Iterator[bytes]:
    view = memoryview(content)
    for start in range(0, len(view), _BLOCK):
        if piece := gzip.compress(view[start : start + _BLOCK]):
            yield piece


# What there is


def _readable(record: JobRecord) -> tuple[list[TaskFolder], list[str]]:
    """The folders of the newest attempts, newest first; the names of those with unknown secrets."""
    if record.folder is None:
        return [], []
    newest = Path(record.folder)
    numbers = range(record.summary.attempt, max(0, record.summary.attempt - ATTEMPTS), -1)
    there = [TaskFolder(newest.with_name(f"a{number}")) for number in numbers]
    there = [folder for folder in there if folder.path.is_dir()]
    readable = [folder for folder in there if folder.read_order() is not None]
    return readable, [folder.path.name for folder in there if folder not in readable]


def _secrets(record: JobRecord, folders: Iterable[TaskFolder]) -> set[str]:
    """The values of secrets: as asked for, as in our own environment, as the ranks have them."""
    environments: list[Mapping[str, str]] = [os.environ]
    found: set[str] = set()
    for folder in folders:
        order, state = folder.read_order(), folder.read_state()
        if order is not None:
            found |= secret_values(order.request)
        if state is not None:
            environments += [
                descent.environment(rank.pid)
                for rank in state.ranks
                if rank.exit_code is None and descent.living(descent.Process(rank.pid, rank.ticks))
            ]
    return found | secret_values(record.request, *environments)


def _all_parts(
    contents: Contents, folders: list[TaskFolder], left_out: list[str], redaction: Redaction
) -> Iterator[Part]:
    record = contents.record
    request = without_secrets(record.request)
    yield "README.txt", _readme(record, left_out).encode()
    yield "job.json", _json(msgspec.structs.replace(record, request=request))
    yield "spec.json", _json(request.spec)
    yield "events.json", _json(_around(record, contents.events))
    if contents.stacks:
        yield "stacks.json", _json(contents.stacks)
    if contents.curves:
        yield "curves.json", _json(contents.curves)
    for place, folder in enumerate(folders):
        growing = not place and record.summary.state not in ENDED
        reader = _Reader(folder, EARLIER_LIMIT if place else FILE_LIMIT, redaction, growing)
        yield from _written(reader)
        if not place:
            yield from _measured(reader, contents)
            yield f"{folder.path.name}/logs/merged.log", _merged(reader)


class _Reader(NamedTuple):
    """Reads the files of a task folder."""

    folder: TaskFolder
    limit: int
    """Bytes of one file."""

    redaction: Redaction
    growing: bool
    """Whether they are being written."""

    def part(self, path: Path, limit: int) -> Part | None:
        """The last bytes of a file, None where there is none.

        A secret that is cut by where we begin to read, or not yet written to its end, is not
        recognized: so what may be part of one is left out.
        """
        found = _last_bytes(path, limit)
        if found is None:
            return None
        start, text = found
        text = self.redaction(text)
        unsure = self.redaction.longest
        if start:
            text = text[unsure:]
        if self.growing:
            text = text[: max(text.rfind(b"\n") + 1, len(text) - unsure)]
        return str(path.relative_to(self.folder.path.parent)), text


def _last_bytes(path: Path, limit: int) -> tuple[int, bytes] | None:
    """The last bytes of a file and where they stand, None where there is no file to read."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            start = kept_from(file.fileno(), max(0, size - limit), size)
            return start, os.pread(file.fileno(), size - start, start)
    except OSError:
        return None


def _written(reader: _Reader) -> Iterator[Part]:
    """What shim, launcher and ranks wrote."""
    paths = [[reader.folder.path / name] for name in _PLAIN_FILES]
    for name, pattern in _RANK_FILES:
        found = (reader.folder.path / name).glob(pattern)
        paths.append(sorted(found, key=lambda path: (len(path.name), path.name)))
    for alike in paths:
        for path in alike:
            part = reader.part(path, min(reader.limit, RANKS_LIMIT // len(alike)))
            if part is not None:
                yield part


def _measured(reader: _Reader, contents: Contents) -> Iterator[Part]:
    """What the node measured: as it was kept at the end, else as far as it is still known."""
    around = window(contents.record.summary.ended or time.time())
    samples = [one for one in contents.samples if around.holds(one[0])]
    folder = reader.folder
    for path, known in (
        (folder.facts, facts_text(contents.facts)),
        (folder.samples, b"".join(lines(samples))),
    ):
        yield reader.part(path, reader.limit) or (f"{folder.path.name}/{path.name}", known)


def _merged(reader: _Reader) -> bytes:
    """What all ranks printed, by time; of logs that grow, whole lines only."""
    folder = reader.folder
    ends = {}
    for rank in folder.ranks_with_logs():
        found = _last_bytes(folder.log(rank), _BLOCK)
        if found is not None:
            start, text = found
            ends[rank] = start + (text.rfind(b"\n") + 1 if reader.growing else len(text))
    said = merged(folder, lines=MERGED_LINES, ends=ends)
    return b"".join(_line(line, reader.redaction) for line in said)


def _line(line: LogLine, redaction: Redaction) -> bytes:
    moment = time.strftime("%H:%M:%S", time.gmtime(line.time))
    ranks = ",".join(map(str, line.ranks))
    text = redaction(line.text.encode())
    if line.text.startswith("…"):  # its beginning was cut, and so may be a secret
        text = text[redaction.longest :]
    return b"%s.%d [%s] %s\n" % (moment.encode(), int(line.time * 10) % 10, ranks.encode(), text)


def _around(record: JobRecord, events: Iterable[Event]) -> list[Event]:
    """The events of the job's time, and those of the job whenever they were."""
    summary = record.summary
    first = summary.created - EVENTS_AROUND
    last = (summary.ended or time.time()) + EVENTS_AROUND
    return [event for event in events if event.job == summary.id or first <= event.time <= last]


def _readme(record: JobRecord, left_out: list[str]) -> str:
    """What the archive holds."""
    summary = record.summary
    made = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    width = max(len(name) for name, _ in WHAT_IS_WHAT)
    text = [
        f"Job {summary.id}, {summary.name}: {summary.state}, {summary.cause}",
        f"Collected {made} by llmos {llmos_version()}. Times are seconds since 1970, or UTC.",
        "",
        *(f"{name:{width}}  {what}" for name, what in WHAT_IS_WHAT),
        "",
        "What was not there is left out. Values of variables that are secrets by name stand as",
        "(not stored) wherever they were found. What a program printed in another form, as base64,",
        "or read from elsewhere, is not recognized: look before you pass this on.",
    ]
    if record.folder is None:
        text += ["", "The job's folder is gone: nothing that it wrote is here."]
    if left_out:
        names = ", ".join(left_out)
        text += ["", f"Without {names}: their secrets are not known, so nothing of them is here."]
    return "\n".join(text) + "\n"


def _json(content: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content)) + b"\n"
