"""Where things lie in a store: a path for each digest, and the digest of each path."""

import re
from typing import Final

import msgspec

from ...agents.errors import ArtifactError
from ...agents.protocol.artifacts import ALGORITHM, Digest

OBJECTS: Final = "objects"
MANIFESTS: Final = "manifests"
TEMPORARY: Final = "temporary"
"""Folder of what is being written; what lies there long is of writers that were killed."""

_PATH: Final = re.compile(r"(?:objects|manifests)/([0-9a-f]{2})/([0-9a-f]{62})")


def object_path(digest: str) -> str:
    """Where the bytes of a file lie."""
    return f"{OBJECTS}/{_split(digest)}"


def manifest_path(digest: str) -> str:
    """Where the manifest of an artifact lies."""
    return f"{MANIFESTS}/{_split(digest)}"


def digest_at(path: str) -> str | None:
    """The digest of what lies at a path; None if nothing of a store lies there."""
    found = _PATH.fullmatch(path)
    return None if found is None else f"{ALGORITHM}:{found[1]}{found[2]}"


def _split(digest: str) -> str:
    try:
        text = msgspec.convert(digest, Digest).partition(":")[2]
    except msgspec.ValidationError as error:
        raise ArtifactError(
            f"{digest}: is no digest; expected sha256: and 64 hex digits"
        ) from error
    return f"{text[:2]}/{text[2:]}"
