"""`llmos bundle`: all that is known of a job in one file."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from ...agents.errors import UsageError
from .invocation import Invocation, common, pass_invocation
from .jobid import job_argument

if TYPE_CHECKING:
    from ...agents.fleet.client import Client


@click.command(name="bundle")
@job_argument
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where to; a folder, or a file. By default llmos-job-JOB.tar.gz here.",
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@common
@pass_invocation
def command(invocation: Invocation, job: str, output: Path | None, force: bool) -> None:
    """Save all that is known of a job in one file, for who looks for what went wrong.

    It holds spec, logs, figures, stacks, events and what the node measured around the end, and no
    secrets; its README.txt says what is what. The file's path is printed.
    """
    from ..quantities import kibibytes
    from .asking import ask

    path = _path(job, output)
    if path.exists() and not force:
        raise UsageError(_is_there(path))

    async def received(client: "Client", file: BinaryIO) -> int:
        async for piece in client.bundle(job):
            file.write(piece)
        return file.tell()

    with new_file(path, replace=force) as file:
        size = ask(invocation, lambda client: received(client, file))
    print(path)
    print(f"job {job}: {kibibytes(size / 1024)}; look before you pass it on", file=sys.stderr)


@contextmanager
def new_file(path: Path, *, replace: bool) -> Iterator[BinaryIO]:
    """A file to write, which gets its name when all of it is there. Raises UsageError, OSError."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    new = Path(name)
    try:
        with open(descriptor, "wb") as file:
            yield file
        if replace:
            new.replace(path)
        else:
            _put(new, path)
    finally:
        new.unlink(missing_ok=True)


def _path(job: str, output: Path | None) -> Path:
    """Where to. The name that a person gave the job by is no path."""
    name = f"llmos-job-{job.replace(os.sep, '_')}.tar.gz"
    if output is None:
        return Path(name)
    return output / name if output.is_dir() else output


def _put(new: Path, path: Path) -> None:
    """Give a file its name, unless another has got it meanwhile. Raises UsageError."""
    try:
        path.hardlink_to(new)
    except FileExistsError:
        raise UsageError(_is_there(path)) from None
    except OSError:  # a file system without hard links
        if path.exists():
            raise UsageError(_is_there(path)) from None
        new.replace(path)


def _is_there(path: Path) -> str:
    return f"{path} is there already; name another file with -o, or replace it with --force"
