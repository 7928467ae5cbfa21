"""Artifacts as text: a table of many, and all that is known of one."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from ...agents.protocol.artifacts import ArtifactVersion
from .. import quantities as q
from .printing import clock, cut, printable, table

TITLES: Final = ("ARTIFACT", "KIND", "SIZE", "MADE", "JOB", "ALIASES", "METRICS")
RIGHT: Final = (2, 4)
ABSENT: Final = "-"
NAME_WIDTH: Final = 32


def lines(versions: Iterable[ArtifactVersion]) -> list[str]:
    """A line for each version, under titles."""
    return table(TITLES, [_row(one) for one in versions], RIGHT)


def whole(version: ArtifactVersion) -> Iterator[str]:
    """All that is known of one version."""
    for name, value in _facts(version).items():
        yield f"{name:<10}{value}"
    if version.metrics:
        yield "metrics"
        size = max(map(len, version.metrics))
        for name, number in version.metrics.items():
            yield f"  {printable(name):<{size}}  {q.number(number)}"
    if version.parents:
        yield "from"
        for parent in version.parents:
            yield f"  {parent.digest}  {printable(parent.role)}".rstrip()


def without_password(uri: str) -> str:
    """A store's URI as it may be shown."""
    return re.sub(r"(?<=://)[^/@]*@", "…@", uri)


def reference(version: ArtifactVersion) -> str:
    """How a person names this version."""
    return f"{version.name}@{version.version}"


def _row(version: ArtifactVersion) -> tuple[str, ...]:
    metrics = " ".join(f"{name}={q.number(value)}" for name, value in version.metrics.items())
    return (
        cut(reference(version), NAME_WIDTH),
        version.kind,
        q.kibibytes(version.size / 1024) if version.size else ABSENT,
        clock(version.created),
        version.job or ABSENT,
        " ".join(version.aliases) or ABSENT,
        metrics or ABSENT,
    )


def _facts(version: ArtifactVersion) -> dict[str, str]:
    facts = {
        "artifact": reference(version),
        "kind": printable(version.kind),
        "aliases": ", ".join(version.aliases),
        "digest": version.digest,
        "store": printable(without_password(version.uri)),
        "size": q.kibibytes(version.size / 1024) if version.size else "",
        "files": str(version.files) if version.files else "",
        "made": clock(version.created),
        "by": f"job {version.job}" if version.job else "import",
        "user": printable(version.user),
        "spec": version.spec or "",
        "code": printable(version.code),
        "tags": printable(" ".join(f"{name}={value}" for name, value in version.tags.items())),
    }
    return {name: value for name, value in facts.items() if value}
