"""Files under a URI, as fsspec reaches them: whole or not there, and its errors in our words.

Knows nothing of artifacts. fsspec is imported with the first storage and not before.
"""

import contextlib
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ...agents.errors import ArtifactError, ArtifactMissing, LlmosError
from .layout import TEMPORARY
from .manifest import BLOCK


class Storage:
    """A folder somewhere. Paths are relative to it, their parts separated by "/".

    Raises, in all its methods:
        ArtifactMissing: there is no such file.
        ArtifactError: the place cannot be used; the message says why.
    """

    def __init__(self, uri: str) -> None:
        self._files, self._root = _opened(uri)
        self._local = bool(getattr(self._files, "local_file", False))
        self.uri: str = self._files.unstrip_protocol(self._root) if self._local else uri
        self._unflushed: set[str] = set()

    def size(self, path: str) -> int | None:
        """Bytes of a file, None if it is not there."""
        try:
            with self._told(path, "read"):
                self._files.invalidate_cache()
                return int(self._files.info(self._full(path))["size"])
        except ArtifactMissing:
            return None

    def blocks(self, path: str) -> Iterator[bytes]:
        """The bytes of a file."""
        with self._told(path, "read"), self._files.open(self._full(path), "rb") as file:
            while block := file.read(BLOCK):
                yield block

    def write(self, path: str, blocks: Iterable[bytes]) -> None:
        """Makes a file, or replaces it, under a temporary name until it is whole."""
        temporary = self._full(f"{TEMPORARY}/{uuid.uuid4().hex}")
        try:
            with self._told(path, "written"):
                self._files.makedirs(self._parent(temporary), exist_ok=True)
                self._files.makedirs(self._parent(self._full(path)), exist_ok=True)
                with self._files.open(temporary, "wb") as file:
                    for block in blocks:
                        file.write(block)
                    self._flush(file)
                self._rename(temporary, self._full(path))
        except BaseException:
            with contextlib.suppress(Exception):
                self._files.rm_file(temporary)
            raise

    def flush(self) -> None:
        """What was written so far outlives a loss of power, where the place is a disk of ours."""
        while self._unflushed:
            with self._told("", "written"):
                descriptor = os.open(self._unflushed.pop(), os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def touch(self, path: str) -> None:
        """Makes a file young, where the place lets us."""
        with contextlib.suppress(Exception):
            self._files.touch(self._full(path), truncate=False)

    def age(self, path: str) -> float | None:
        """Seconds since a file was written or touched; None where that cannot be known."""
        try:
            return float(time.time() - self._files.modified(self._full(path)).timestamp())
        except Exception:  # each kind of storage fails in its own way
            return None

    def listed(self, folder: str) -> dict[str, int]:
        """The size of each file below a folder, by its path."""
        with self._told(folder, "read"):
            self._files.invalidate_cache()
            found = self._files.find(self._full(folder), detail=True)
        cut = len(self._full(folder)) - len(folder)
        return {path[cut:]: int(entry["size"]) for path, entry in found.items()}

    def remove(self, path: str) -> None:
        """Removes a file, if it is there."""
        with contextlib.suppress(ArtifactMissing), self._told(path, "removed"):
            self._files.rm_file(self._full(path))

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _parent(self, path: str) -> str:
        return path.rpartition("/")[0]

    def _flush(self, file: Any) -> None:
        if self._local:
            file.flush()
            os.fsync(file.fileno())

    def _rename(self, before: str, after: str) -> None:
        if self._local:
            os.replace(before, after)
            self._unflushed.update((self._parent(after), self._parent(self._parent(after))))
        else:
            self._files.mv(before, after)

    @contextlib.contextmanager
    def _told(self, path: str, verb: str) -> Iterator[None]:
        try:
            yield
        except LlmosError:
            raise
        except FileNotFoundError as error:
            raise ArtifactMissing(f"{self.uri}: {path} is not there") from error
        except Exception as error:  # each kind of storage fails in its own way
            why = getattr(error, "strerror", None) or error
            raise ArtifactError(
                f"{self.uri}: {path} cannot be {verb}: {why}; see its rights and room, or name "
                "another store"
            ) from error


def _opened(uri: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]

    if "://" not in uri:
        uri = str(Path(uri).expanduser().absolute())
    try:
        files, root = url_to_fs(uri)
    except Exception as error:
        raise ArtifactError(f"{uri}: is no store that can be reached: {error}") from error
    return files, root.rstrip("/")
