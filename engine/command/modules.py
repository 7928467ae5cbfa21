"""Environment modules: the lines of shell that load them, as Lmod and Environment Modules do."""

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Annotated

import msgspec

ModuleName = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\A[A-Za-z0-9/][A-Za-z0-9._+/@=:-]*\Z",
        extra_json_schema={"description": 'text as "cuda/12.4"'},
    ),
]
"""Without what a shell would take for more than a word."""


def setup_lines(modules: Sequence[str], variables: Mapping[str, str], first: str | None) -> str:
    """Shell, for a login bash, that loads modules in order and ends where one cannot be loaded.

    PATH is the submitter's again before the first: a login resets it on many systems, while the
    modules that she has loaded already count as loaded.

    Args:
        modules: names that `ModuleName` lets through.
        variables: the submitter's.
        first: the folder of programs that comes ahead of the modules', as that of an environment.
    """
    lines = [f"export PATH={quote(variables['PATH'])}"] if variables.get("PATH") else []
    lines += [f"module load {name} || exit" for name in modules]
    if first is not None:
        lines.append(f'export PATH={quote(first)}:"$PATH"')
    return "\n".join(lines)
