"""What the command line does with the bytes of artifacts: it goes to their store itself, since
agents never read them."""

import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

from ...agents import locations as places
from ...agents.errors import ArtifactError, LaunchError, UsageError
from ...agents.protocol.artifacts import ArtifactLine, ArtifactVersion, Unneeded
from ...engine.artifacts.store import Store
from .. import quantities as q
from .artifactlist import reference, without_password
from .invocation import Invocation
from .printing import print_json, printable, table


def print_files(version: ArtifactVersion, *, as_json: bool) -> None:
    """The files in an artifact. Raises ArtifactError."""
    files = _store(version.uri).manifest(version.digest).files
    if as_json:
        print_json({"files": files})
        return
    rows = [(printable(file.path), f"{file.size:,}", file.digest) for file in files]
    print("\n".join(table(("PATH", "BYTES", "DIGEST"), rows, (1,))))


def verified(versions: Iterable[ArtifactVersion]) -> bool:
    """Tell what is damaged; whether nothing is."""
    damaged = files = size = 0
    every = {(version.digest, version.uri): version for version in versions}
    for version in every.values():
        for problem in _store(version.uri).verify(version.digest):
            damaged += 1
            place = f"{reference(version)}: {printable(problem.path)}".removesuffix(": ")
            print(f"{place}: {printable(problem.text)}")
        files += version.files
        size += version.size
    sound = "all are what their digests say" if not damaged else f"{damaged} are damaged"
    read = f"{len(every)} artifacts, {files:,} files, {q.kibibytes(size / 1024)} read"
    print(f"{read}: {sound}", file=sys.stderr)
    return not damaged


def published(
    invocation: Invocation, folder: Path, name: str, kind: str, aliases: Sequence[str]
) -> ArtifactLine:
    """A folder, put into this host's store. Raises ArtifactError, before anything is written."""
    own = _own(invocation, "artifact import")
    if not folder.exists():
        raise UsageError(f"{folder}: no such folder")
    if kind == "model":
        from ...engine.artifacts.transformersfolder import check

        check(folder)
    from ...engine.artifacts.publish import publish_and_describe

    _need_fsspec()
    return publish_and_describe(places.artifact_store(own), folder, name, kind, aliases=aliases)


def exported(version: ArtifactVersion, folder: Path) -> None:
    """An artifact's files in a folder, all or none. Raises ArtifactError."""
    if folder.is_dir() and not folder.is_symlink():
        if any(folder.iterdir()):
            raise ArtifactError(f"{folder}: is not empty; name a new folder")
        folder.rmdir()
    _store(version.uri).fetch(version.digest, folder)
    print(f"{reference(version)} is in {folder}", file=sys.stderr)


def shown(invocation: Invocation, unneeded: Unneeded) -> None:
    """What would go."""
    rows = [
        (reference(one), one.kind, q.kibibytes(one.size / 1024), one.job or "-")
        for one in unneeded.versions
    ]
    if rows:
        print("\n".join(table(("ARTIFACT", "KIND", "SIZE", "JOB"), rows, (2, 3))))
    store = _private_store(invocation)
    if store is not None:
        would = store.remove_unneeded(unneeded.kept, dry_run=True)
        files = would.objects + would.leftovers
        print(f"{files:,} files, {q.kibibytes(would.size / 1024)}, would be freed", file=sys.stderr)
    if rows:
        print("nothing was changed; --delete does it", file=sys.stderr)


def free(invocation: Invocation, before: Unneeded, after: Unneeded) -> None:
    """Tell what was forgotten, and free its bytes."""
    gone = [one for one in before.versions if one.digest not in after.kept]
    for one in gone:
        print(f"{reference(one)} is forgotten")
    store = _private_store(invocation)
    if store is None:
        print("the store may be others', too: its bytes stay", file=sys.stderr)
        return
    freed = store.remove_unneeded(after.kept, dry_run=False)
    files = freed.objects + freed.leftovers
    print(f"{files:,} files, {q.kibibytes(freed.size / 1024)}, freed", file=sys.stderr)


def _private_store(invocation: Invocation) -> Store | None:
    """The store in our own state folder, which no other agent knows; None if another is in use."""
    own = invocation.own
    if own is None or places.artifact_store(own) != f"file://{own.artifacts}":
        return None
    return _store(str(own.artifacts))


def _store(uri: str) -> Store:
    _need_fsspec()
    try:
        return Store(uri)
    except ArtifactError as error:
        raise ArtifactError(str(error).replace(uri, without_password(uri))) from None


def _own(invocation: Invocation, command: str) -> places.Locations:
    if invocation.own is None:
        raise UsageError(f"{command} uses this host's store; leave --connect away")
    return invocation.own


def _need_fsspec() -> None:
    if find_spec("fsspec") is None:
        raise LaunchError("the store of artifacts needs fsspec: pip install 'llmos[engine]'")
