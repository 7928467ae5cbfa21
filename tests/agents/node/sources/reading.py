"""What readers make of files that somebody else writes."""

from pathlib import Path

from llmos.agents.node.reports.progress import Line, Metric
from llmos.agents.node.sources.points import Reader


def all_of(reader: Reader) -> list[Metric]:
    """The lines of a file as it stands."""
    read: list[Line] = [*reader.read()]
    while reader.behind:
        read += reader.read()
    return _metrics(read)


def as_it_grows(reader: Reader, path: Path, data: bytes, cuts: list[int]) -> list[Metric]:
    """The lines of a file that grows to `data` in pieces of these sizes, read after each."""
    read: list[Line] = [*reader.read()]
    with path.open("ab", 0) as file:
        for cut in cuts:
            file.write(data[:cut])
            data = data[cut:]
            read += reader.read()
        file.write(data)
    return _metrics(read) + all_of(reader)


def _metrics(lines: list[Line]) -> list[Metric]:
    return [line for line in lines if isinstance(line, Metric)]
