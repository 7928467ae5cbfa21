"""Specs: read from a file or an example, overridden, checked, and made into what an agent is asked.

    path or @name -> table -> overrides -> the kind's frozen struct -> JobRequest

Knows nothing about any kind: the catalog names each kind's struct. Free of torch, and light, since
the command line imports it.
"""

import json
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from ..agents.errors import SpecError
from ..agents.protocol.jobs import JobRequest
from .artifacts.inputs import references
from .catalog import Spec, kind_named
from .nearest import hint
from .shape import check_table

EXAMPLES: Final = Path(__file__).parent / "examples"
LARGEST_FILE: Final = 1 << 20
"""Bytes. A spec is written by hand; what is larger is some other file."""

MOST_RANKS: Final = 1024
"""On one node: far above any host's GPUs or cores, far below what would fill a process table."""

MOST_GPUS: Final = 64
"""On one node: four times the largest hosts sold."""

MOST_ATTEMPTS: Final = 1000
"""Of one job: a job that needs more does not need another attempt."""

Table = dict[str, Any]


class Example(msgspec.Struct, frozen=True):
    """A spec that ships with llmos."""

    name: str
    title: str
    """The comment on its first line."""

    path: Path


def examples() -> list[Example]:
    """The specs that ship with llmos, by name."""
    return [
        Example(path.stem, path.read_text("utf-8").partition("\n")[0].lstrip("# "), path)
        for path in sorted(EXAMPLES.glob("*.toml"))
    ]


def job_request(
    source: str, overrides: Iterable[str] = (), folder: Path | None = None
) -> JobRequest:
    """What an agent is asked for a spec.

    Args:
        source: path of a .toml or .json file, or "@NAME" for an example.
        overrides: "a.b=value" each, the value in TOML, or else text.
        folder: what relative paths start from, in `source` and in the spec; by default the
            working directory.

    Raises:
        SpecError: one line that names the path, the value and what was expected.
    """
    folder = Path.cwd() if folder is None else folder
    path = locate(source, folder)
    table = read(path)
    for text in overrides:
        override(table, text)
    table.setdefault("name", path.stem)
    return request(validate(table), folder)


def request(spec: Spec, folder: Path) -> JobRequest:
    """The job that a spec asks for, its paths made absolute from `folder`.

    Raises:
        SpecError: something that the spec names is not there or cannot be used.
    """
    kind = kind_named(spec.kind)
    module = kind.spec()
    spec = module.resolve(spec, folder)
    table = msgspec.to_builtins(spec)
    return JobRequest(
        kind=spec.kind,
        name=spec.name or spec.kind,
        program=module.program(spec),
        resources=spec.resources,
        spec=table,
        inputs=dict.fromkeys(references(table)) if kind.program_module else {},
        after=list(spec.after),
        hold=spec.hold,
        retry=spec.retry,
    )


def locate(source: str, folder: Path) -> Path:
    """The file that `source` means: an example by "@NAME", else a path.

    Raises:
        SpecError: there is no such example.
    """
    if not source.startswith("@"):
        return folder / source
    known = {example.name: example.path for example in examples()}
    if source[1:] in known:
        return known[source[1:]]
    raise SpecError(f"unknown example {hint(source[1:], known)}; `llmos examples` lists them")


def read(path: Path) -> Table:
    """The table in a .toml or .json file, unchecked.

    Raises:
        SpecError: missing, unreadable, empty, not UTF-8, or not TOML or JSON (with the line).
    """
    parse = PARSERS.get(path.suffix)
    if parse is None:
        raise SpecError(f"{path}: expected a .toml or .json file")
    text = _text(path)
    try:
        table = parse(text)
    except RecursionError:
        raise SpecError(f"{path}: nested too deep") from None
    except ValueError as error:
        raise SpecError(f"{path}: {_one_line(error)}") from None
    if not isinstance(table, dict):
        raise SpecError(f"{path}: expected a table of keys and values")
    return table


PARSERS: Final[dict[str, Callable[[str], Any]]] = {".toml": tomllib.loads, ".json": json.loads}


def override(table: Table, text: str, option: str = "--set") -> None:
    """Sets one value in place: "a.b=value", the value in TOML, or else taken as text.

    Errors name the `option` that the text stood after.

    Raises:
        SpecError: no "=", an empty key, or a key below something that is not a table.
    """
    path, equals, value = text.partition("=")
    *above, last = keys = [key.strip() for key in path.split(".")]
    if not equals or not all(keys):
        raise SpecError(f"{option} {text}: expected KEY.KEY=VALUE")
    for depth, key in enumerate(above, 1):
        below = table.setdefault(key, {})
        if not isinstance(below, dict):
            raise SpecError(f"{option} {text}: $.{'.'.join(keys[:depth])} is not a table")
        table = below
    table[last] = _value(value)


def validate(table: object) -> Spec:
    """The spec that a table holds, as its kind's frozen struct.

    Raises:
        SpecError: an unknown kind, table or key, or a value that is not what was expected.
    """
    if not isinstance(table, dict):
        raise SpecError("$: expected a table of keys and values")
    if "kind" not in table:
        raise SpecError("$.kind: missing, expected the name of a kind")
    struct = kind_named(table["kind"]).spec().SPEC
    check_table(table, struct, "$")
    try:
        spec = msgspec.convert(table, struct)
    except msgspec.ValidationError as error:
        raise SpecError(_placed(error)) from None
    _check_resources(spec)
    _check_retry(spec)
    return spec


def _check_resources(spec: Spec) -> None:
    resources = spec.resources
    if resources.nodes != 1:
        raise SpecError(
            f"$.resources.nodes: expected 1, got {resources.nodes}: "
            "jobs across hosts are not there yet"
        )
    _check_range("$.resources.ranks", resources.ranks, 1, MOST_RANKS)
    _check_range("$.resources.gpus", resources.gpus, 0, MOST_GPUS)


def _check_retry(spec: Spec) -> None:
    retry = spec.retry
    _check_range("$.retry.max_attempts", retry.max_attempts, 1, MOST_ATTEMPTS)
    if retry.backoff < 0:
        raise SpecError(f"$.retry.backoff: expected a number ≥ 0, got {retry.backoff}")
    if retry.window <= 0:
        raise SpecError(f"$.retry.window: expected a number > 0, got {retry.window}")


def _check_range(path: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise SpecError(f"{path}: expected {least} to {most}, got {value}")


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise SpecError(f"{path}: expected a file")
        if path.stat().st_size > LARGEST_FILE:
            raise SpecError(f"{path}: expected a spec of at most {LARGEST_FILE >> 20} MiB")
        text = path.read_bytes().decode().removeprefix("\ufeff")
    except FileNotFoundError:
        raise SpecError(f"{path}: no such file; `llmos examples` lists what ships") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 at byte {error.start}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SpecError(f"{str(path)!r}: cannot be read: {reason}") from None
    if not text.strip():
        raise SpecError(f"{path}: the file is empty")
    return text


def _value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if table.keys() == {"value"} else text


def _placed(error: msgspec.ValidationError) -> str:
    """The error of a struct's own check, with its path in front as everywhere."""
    message, _, path = str(error).partition(" - at ")
    return f"{path.strip('`') or '$'}: {message}"


def _one_line(error: ValueError) -> str:
    return " ".join(str(error).split())
