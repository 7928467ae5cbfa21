"""Opens files in a task folder, where a job may put anything under any name."""

import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_regular(path: Path) -> BinaryIO:
    """The file, unbuffered; links are not followed, and pipes not waited for.

    Raises OSError also for what is no regular file.
    """
    descriptor = os.open(path, _FLAGS)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return open(descriptor, "rb", 0)
    os.close(descriptor)
    raise OSError(f"{path} is no regular file")


def read_regular(path: Path) -> bytes:
    """All that such a file holds. Raises OSError as `open_regular` does."""
    with open_regular(path) as file:
        return file.read()
