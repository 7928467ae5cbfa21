"""Publishes a folder and says so in the words that an agent registers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ...agents.errors import ArtifactError
from ...agents.protocol.artifacts import ArtifactLine, Digest, Name, Parent
from ...agents.version import llmos_version
from .store import Store


def publish_and_describe(
    uri: str,
    place: Path,
    name: str,
    kind: str,
    *,
    parents: Sequence[Parent] = (),
    metrics: Mapping[str, float] | None = None,
    tags: Mapping[str, str] | None = None,
    aliases: Sequence[str] = (),
    spec: str | None = None,
    code: str = "",
) -> ArtifactLine:
    """Keeps a folder, or one file, in the store at `uri`. The line is for `Progress.register`.

    Raises:
        ArtifactError: a word is off, before anything is written; or it cannot be published.
    """
    words: tuple[tuple[str, object, Any], ...] = (
        ("name", name, Name),
        ("parents", msgspec.to_builtins(list(parents)), list[Parent]),
        ("tags", dict(tags or {}), dict[str, str]),
        ("aliases", list(aliases), list[Name]),
        ("spec", spec, Digest | None),
    )
    for word, value, expected in words:
        try:
            msgspec.convert(value, expected)
        except msgspec.ValidationError as error:
            raise ArtifactError(f"{word} of the artifact: {error}, got {value!r}") from error
    store = Store(uri)
    manifest = store.publish(place)
    return ArtifactLine(
        name=name,
        kind=kind,
        digest=manifest.digest,
        uri=store.uri,
        size=manifest.size,
        files=len(manifest.files),
        parents=list(parents),
        metrics=dict(metrics or {}),
        tags=dict(tags or {}),
        aliases=list(aliases),
        spec=spec,
        code=code or llmos_version(),
    )
