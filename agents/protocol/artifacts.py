"""Artifacts: immutable things with a digest and lineage, and the names that move between versions.

An artifact's digest is that of its manifest, which lists the digest of each file. So two of the
same content are one, wherever and whenever they were made. Its bytes lie in a store, which agents
never read; what they keep is the index: which versions a name has, and what came from what.
"""

import hashlib
import re
from typing import Annotated, Final

import msgspec

ALGORITHM: Final = "sha256"

_DIGEST: Final = rf"\A{ALGORITHM}:[0-9a-f]{{64}}\Z"
_NAME: Final = r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z"

Digest = Annotated[str, msgspec.Meta(pattern=_DIGEST)]
Name = Annotated[str, msgspec.Meta(pattern=_NAME)]
"""What a person calls an artifact, or an alias of it."""

LONGEST_PATH: Final = 1024


class FileDigest(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """One file of an artifact."""

    path: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_PATH)]
    """Relative, its parts separated by "/"."""

    digest: Digest
    size: Annotated[int, msgspec.Meta(ge=0)]
    """Bytes."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All files of an artifact, in the order of their paths."""

    files: list[FileDigest]

    def encoded(self) -> bytes:
        """The one text of this manifest, whose digest is the artifact's."""
        return msgspec.json.encode(Manifest(sorted(self.files)))

    @property
    def digest(self) -> str:
        """The artifact's."""
        return digest_of(self.encoded())

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


class Parent(msgspec.Struct, frozen=True):
    """What an artifact was made from."""

    digest: Digest
    role: str = ""
    """What it was to the job, as "data" or "base model"."""


class ArtifactLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a job says once the bytes are whole in the store, so that they are registered."""

    name: Name
    kind: str
    """dataset, model, checkpoint, package, report or another word."""

    digest: Digest
    uri: str
    """The store that holds the bytes, as fsspec names it."""

    size: int = 0
    files: int = 0
    parents: list[Parent] = []
    metrics: dict[str, float] = {}
    tags: dict[str, str] = {}
    aliases: list[Name] = []
    """Names that shall point to this version."""

    spec: Digest | None = None
    """Of the spec that made it, secrets left out."""

    code: str = ""
    """Version of what made it: of llmos, or the commit of a user's own code."""


class ArtifactVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the index."""

    name: str
    version: int
    """From 1 for each name."""

    kind: str
    digest: str
    uri: str
    created: float
    """Seconds since 1970."""

    job: str | None = None
    """Which job made it; None where a person imported it."""

    user: str = ""
    size: int = 0
    files: int = 0
    parents: list[Parent] = []
    metrics: dict[str, float] = {}
    tags: dict[str, str] = {}
    aliases: list[str] = []
    spec: str | None = None
    code: str = ""


class AliasMove(msgspec.Struct, frozen=True, kw_only=True):
    """Asks that an alias of a name points to a version, if it points where the asker thinks."""

    version: int | None
    """None takes the alias away."""

    before: int | None = None
    """The version that it points to now, None for none: else the move is refused."""


class Unneeded(msgspec.Struct, frozen=True, kw_only=True):
    """What could be forgotten: no alias, no newer job and nothing that is kept needs it."""

    versions: list[ArtifactVersion]
    kept: list[Digest]
    """All other digests that are known."""


class Forget(msgspec.Struct, frozen=True, kw_only=True):
    """Asks that versions are forgotten, as far as they are still unneeded."""

    digests: list[Digest]


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """What came from what, around one artifact: those it was made from, and what was made of it."""

    root: str
    """Digest of the one that was asked for."""

    versions: list[ArtifactVersion]
    """All that are known; a digest may have several names, and a parent none."""

    edges: list[tuple[str, str, str]]
    """Child's digest, parent's digest, role."""


def digest_of(data: bytes) -> str:
    """The digest of some bytes, as "sha256:…"."""
    return f"{ALGORITHM}:{hashlib.sha256(data).hexdigest()}"


class Reference(msgspec.Struct, frozen=True):
    """A version that somebody named: NAME, NAME@VERSION, NAME@ALIAS or a digest."""

    name: str | None = None
    version: int | None = None
    alias: str | None = None
    digest: str | None = None


def parsed_reference(text: str) -> Reference:
    """What a text names; NAME alone is its newest version.

    Raises:
        ValueError: it is no reference; the text says what one looks like.
    """
    if re.fullmatch(_DIGEST, text):
        return Reference(digest=text)
    name, at, rest = text.partition("@")
    if not re.fullmatch(_NAME, name) or (at and not re.fullmatch(_NAME, rest)):
        raise ValueError(f'expected NAME, NAME@VERSION or NAME@ALIAS, got "{text}"')
    if not at:
        return Reference(name=name)
    if rest.isdecimal():
        return Reference(name=name, version=int(rest))
    return Reference(name=name, alias=rest)
