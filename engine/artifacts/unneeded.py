"""What a store can do without: artifacts that nobody needs, their files, and half-made ones."""

import re
from collections.abc import Callable, Collection
from typing import Final

import msgspec

from ...agents.protocol.artifacts import Manifest
from .layout import MANIFESTS, OBJECTS, TEMPORARY, digest_at, manifest_path
from .storage import Storage

HOUR: Final = 3600.0
"""Seconds for which everything stays: a publisher's files come before its manifest, and the
manifest before anybody knows of it."""

_HALF_MADE: Final = re.compile(rf"{TEMPORARY}/[0-9a-f]{{32}}")


class Removal(msgspec.Struct, frozen=True):
    """What goes, or would go."""

    artifacts: list[str]
    """Digests, in order."""

    objects: int
    """Files of artifacts."""

    leftovers: int
    """Files that killed writers left half-made."""

    size: int
    """Bytes of all."""


def remove_unneeded(
    storage: Storage,
    read: Callable[[str], Manifest],
    needed: Collection[str],
    *,
    dry_run: bool,
    older_than: float = HOUR,
) -> Removal:
    """Removes from a store what is older than so many seconds and in no needed artifact.

    Manifests go first, so that none is ever without its files. A file whose age the storage does
    not tell stays.

    Raises:
        ArtifactError: an artifact that stays cannot be read, so that nobody knows its files.
    """
    manifests = storage.listed(MANIFESTS)
    going = {
        path: digest
        for path in manifests
        if (digest := digest_at(path)) is not None
        and digest not in needed
        and _is_old(storage, path, older_than)
    }
    # A needed one is looked for by its own path: a listing may leave out what it cannot read.
    staying = {digest for path in manifests if path not in going and (digest := digest_at(path))}
    staying |= {digest for digest in needed if storage.size(manifest_path(digest)) is not None}
    held = {file.digest for digest in staying for file in read(digest).files}
    objects = {
        path: size
        for path, size in storage.listed(OBJECTS).items()
        if (digest := digest_at(path)) is not None
        and digest not in held
        and _is_old(storage, path, older_than)
    }
    leftovers = {
        path: size
        for path, size in storage.listed(TEMPORARY).items()
        if _HALF_MADE.fullmatch(path) and _is_old(storage, path, older_than)
    }
    if not dry_run:
        for path in (*going, *objects, *leftovers):
            # Somebody may have begun to need it since it was looked at.
            if _is_old(storage, path, older_than):
                storage.remove(path)
    size = sum(manifests[path] for path in going)
    size += sum(objects.values()) + sum(leftovers.values())
    return Removal(sorted(going.values()), len(objects), len(leftovers), size)


def _is_old(storage: Storage, path: str, older_than: float) -> bool:
    age = storage.age(path)
    return age is not None and age >= older_than
