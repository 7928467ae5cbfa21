"""Where the bytes of artifacts lie: each file once, under its digest, and then the manifest.

    objects/ab/cdef…     the bytes of a file, under their sha256
    manifests/ab/cdef…   the text of a manifest, under its own
    temporary/…          what is being written

A manifest is written when all of its objects are there. So a manifest that is there is a whole
artifact, and a publisher that is killed at any moment leaves one or none. What an artifact is
called, and what it came from, the store does not know: that is the agent's index.
"""

import hashlib
import os
import shutil
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

import msgspec

from ...agents.errors import ArtifactError, ArtifactMissing
from ...agents.protocol.artifacts import ALGORITHM, FileDigest, Manifest, digest_of
from .layout import manifest_path, object_path
from .manifest import blocks_of, digest_and_size, files_of, manifest_of, manifest_problem
from .storage import Storage
from .unneeded import HOUR, Removal, remove_unneeded

_ATTEMPTS: Final = 3
"""Rounds in which a publisher brings back what somebody removed meanwhile."""


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with one file of an artifact."""

    path: str
    """In the artifact; empty for its manifest."""

    text: str


class Store:
    """Artifacts under a URI, as fsspec names it, or in a local folder.

    Raises, in all its methods:
        ArtifactMissing: the store has no such artifact.
        ArtifactError: the store cannot be used, or what it holds is not what its digest says.
    """

    def __init__(self, uri: str | Path) -> None:
        self.storage = Storage(str(uri))

    @property
    def uri(self) -> str:
        """Names this store from anywhere: a local one by its absolute path."""
        return self.storage.uri

    def publish(self, place: Path) -> Manifest:
        """Keeps a folder, or one file. It is an artifact when this returns, or it raised.

        What is there already is made young instead, so that nobody removes it meanwhile.
        """
        manifest = manifest_of(place)
        sources = files_of(place)
        for _ in range(_ATTEMPTS):
            for file in self._absent(manifest):
                self._keep(file, sources.get(file.path, place / file.path))
            self.storage.flush()
            self.storage.write(manifest_path(manifest.digest), [manifest.encoded()])
            self.storage.flush()
            if not self._absent(manifest):
                return manifest
        raise ArtifactError(f"{self.uri}: loses what is written to it; see who else removes there")

    def has(self, digest: str) -> bool:
        """Whether an artifact is there as a whole."""
        return self.storage.size(manifest_path(digest)) is not None

    def manifest(self, digest: str) -> Manifest:
        """What an artifact holds; its paths are such that they stay inside a folder."""
        try:
            text = b"".join(self.storage.blocks(manifest_path(digest)))
        except ArtifactMissing as error:
            raise ArtifactMissing(f"{digest}: is not in {self.uri}; publish it again") from error
        if digest_of(text) != digest:
            raise ArtifactError(f"{digest}: {self._damaged(manifest_path(digest))}")
        try:
            manifest = msgspec.json.decode(text, type=Manifest)
        except msgspec.DecodeError as error:
            raise ArtifactError(f"{digest}: is no manifest: {error}; remove it") from error
        if problem := manifest_problem(manifest):
            raise ArtifactError(f"{digest}: its manifest {problem}; remove it, and trust no copy")
        return manifest

    def fetch(self, digest: str, folder: Path) -> None:
        """Copies an artifact to a folder that is not there yet; it comes whole or not at all."""
        manifest = self.manifest(digest)
        folder = folder.absolute()
        if os.path.lexists(folder):
            raise ArtifactError(f"{folder}: is there already; name a folder that is not")
        half_made = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
        try:
            for file in manifest.files:
                self._copy(file, half_made / file.path)
            half_made.mkdir(parents=True, exist_ok=True)
            half_made.rename(folder)
        except OSError as error:
            why = error.strerror or error
            raise ArtifactError(f"{folder}: cannot be written: {why}") from error
        finally:
            shutil.rmtree(half_made, ignore_errors=True)

    def verify(self, digest: str) -> list[Problem]:
        """What is wrong with an artifact, after all of it was read; nothing if it is whole."""
        try:
            manifest = self.manifest(digest)
        except ArtifactError as error:
            return [Problem("", str(error))]
        found: dict[str, str | None] = {}
        for file in manifest.files:
            if file.digest not in found:
                found[file.digest] = self._object_problem(file)
        return [
            Problem(file.path, problem)
            for file in manifest.files
            if (problem := found[file.digest]) is not None
        ]

    def remove_unneeded(
        self, needed: Collection[str], *, dry_run: bool, older_than: float = HOUR
    ) -> Removal:
        """Removes all artifacts but `needed`, their files, and what killed publishers left.

        What is younger than `older_than` seconds stays: somebody may be about to need it.
        """
        return remove_unneeded(
            self.storage, self.manifest, needed, dry_run=dry_run, older_than=older_than
        )

    def _absent(self, manifest: Manifest) -> list[FileDigest]:
        """Those of which the store has no bytes; the others are young from now on."""
        absent = []
        for file in {file.digest: file for file in manifest.files}.values():
            path = object_path(file.digest)
            if self.storage.size(path) == file.size:
                self.storage.touch(path)
            else:
                absent.append(file)
        return absent

    def _keep(self, file: FileDigest, source: Path) -> None:
        blocks = _checked(
            blocks_of(source), file, f"{source}: changed; publish when it is finished"
        )
        self.storage.write(object_path(file.digest), blocks)

    def _copy(self, file: FileDigest, place: Path) -> None:
        path = object_path(file.digest)
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as out:
            blocks = self.storage.blocks(path)
            for block in _checked(blocks, file, f"{file.path}: {self._damaged(path)}"):
                out.write(block)
            out.flush()
            os.fsync(out.fileno())

    def _object_problem(self, file: FileDigest) -> str | None:
        path = object_path(file.digest)
        try:
            found = digest_and_size(self.storage.blocks(path))
        except ArtifactMissing:
            return "is missing; publish the artifact again"
        except ArtifactError as error:
            return str(error)
        return None if found == (file.digest, file.size) else self._damaged(path)

    def _damaged(self, path: str) -> str:
        return f"no longer matches its digest; remove {path} in {self.uri} and publish again"


def _checked(blocks: Iterator[bytes], file: FileDigest, otherwise: str) -> Iterator[bytes]:
    """The blocks, refused at their end, or as soon as they are too many."""
    digest, size = hashlib.sha256(), 0
    for block in blocks:
        digest.update(block)
        size += len(block)
        if size > file.size:
            break
        yield block
    if (f"{ALGORITHM}:{digest.hexdigest()}", size) != (file.digest, file.size):
        raise ArtifactError(otherwise)
