"""What a folder holds, as its manifest: the path, digest and size of each file.

Empty folders and the files' modes are no part of an artifact.
"""

import contextlib
import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from ...agents.errors import ArtifactError
from ...agents.protocol.artifacts import ALGORITHM, LONGEST_PATH, FileDigest, Manifest

BLOCK: Final = 1 << 20
"""Bytes that are read at once, so that memory does not grow with a file."""

_NO_TEXT: Final = {"Cc", "Cs"}
"""Unicode's control characters, and what stands for bytes that are no UTF-8."""


def manifest_of(place: Path) -> Manifest:
    """The manifest of a folder, or of one file under its own name.

    Raises:
        ArtifactError: something in it cannot be kept, or changes while it is read; it is named.
    """
    files = []
    for path, source in files_of(place).items():
        digest, size = digest_and_size(blocks_of(source))
        files.append(FileDigest(path, digest, size))
    return Manifest(sorted(files))


def files_of(place: Path) -> dict[str, Path]:
    """Where each file lies, by its path in the manifest. Links inside the folder are followed.

    Raises:
        ArtifactError: what is no file, no text as a name, or a link that leads out of the folder.
    """
    with _told(place):
        root = place.resolve(strict=True)
        found = dict(_walked(root, "", (root,))) if root.is_dir() else {place.name: root}
    if not found:
        raise ArtifactError(f"{place}: holds no file; there is nothing to publish")
    for path, source in found.items():
        problem = path_problem(path)
        if problem is None and not stat.S_ISREG(source.lstat().st_mode):
            problem = "is a socket, FIFO or device; take it away"
        if problem is not None:
            raise ArtifactError(f"{place}: {path!r} {problem}")
    return found


def path_problem(path: str) -> str | None:
    """Why no file of an artifact can have this path; None if it can."""
    if not 0 < len(path) <= LONGEST_PATH:
        return f"has a path that is empty or longer than {LONGEST_PATH} characters"
    if any(unicodedata.category(character) in _NO_TEXT for character in path):
        return "has a control character or bytes that are no UTF-8 in its name; rename it"
    if any(part in ("", ".", "..") for part in path.split("/")):
        return "is a path that leaves the folder"
    return None


def manifest_problem(manifest: Manifest) -> str | None:
    """Why the files of a manifest cannot lie in one folder; None if they can."""
    paths = {file.path for file in manifest.files}
    if len(paths) != len(manifest.files):
        return "names a file twice"
    for path in sorted(paths):
        if problem := path_problem(path):
            return f"{path!r} {problem}"
        parts = path.split("/")
        if any("/".join(parts[:count]) in paths for count in range(1, len(parts))):
            return f"{path!r} lies in what is a file"
    return None


def blocks_of(source: Path) -> Iterator[bytes]:
    """The bytes of a file, which must not change meanwhile.

    Raises:
        ArtifactError: it changes, is no file, or cannot be read.
    """
    # A FIFO that takes the file's place must not make us wait for a writer.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with _told(source), open(os.open(source, flags), "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise ArtifactError(f"{source}: is no longer a file; publish again when nobody writes")
        while block := file.read(BLOCK):
            yield block
        if _state(os.stat(source, follow_symlinks=False)) != _state(before):
            raise ArtifactError(f"{source}: changed while it was read; publish when it is finished")


def digest_and_size(blocks: Iterable[bytes]) -> tuple[str, int]:
    """Of some bytes, block by block."""
    digest, size = hashlib.sha256(), 0
    for block in blocks:
        digest.update(block)
        size += len(block)
    return f"{ALGORITHM}:{digest.hexdigest()}", size


def _walked(folder: Path, name: str, above: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    """All below a folder; `above` are the resolved folders that it lies in, the root first."""
    with os.scandir(folder) as entries:
        inside = sorted(entries, key=lambda entry: entry.name)
    for entry in inside:
        path = name + entry.name
        place = Path(entry.path)
        if entry.is_symlink():
            place = _followed(place, path, above[0])
        if not place.is_dir():
            yield path, place
        elif place in above:
            raise ArtifactError(f"{above[0]}: the link {path!r} leads back; take it away")
        elif len(path) > LONGEST_PATH:
            raise ArtifactError(f"{above[0]}: {path!r} {path_problem(path)}")
        else:
            yield from _walked(place, path + "/", (*above, place))


def _followed(link: Path, path: str, root: Path) -> Path:
    try:
        place = link.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise ArtifactError(f"{root}: the link {path!r} leads nowhere; take it away") from error
    if not place.is_relative_to(root):
        raise ArtifactError(f"{root}: the link {path!r} leads outside; put its target in its place")
    return place


def _state(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@contextlib.contextmanager
def _told(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        named = error.filename or place
        raise ArtifactError(f"{named}: cannot be read: {error.strerror or error}") from error
