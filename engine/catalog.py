"""The kinds of job, as one table: what a spec of each looks like, and what runs it.

Importing this imports no kind: a spec module is imported when its kind is asked for, a program
module (and torch with it) only in the ranks.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final, Protocol, cast

import msgspec

from ..agents.errors import SpecError
from ..agents.protocol.jobs import Program, Resources, Retry
from .nearest import hint

JobBefore = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\A[1-9][0-9]{0,15}(:any)?\Z",
        extra_json_schema={"description": 'text as "12" or "12:any"'},
    ),
]


class Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every spec says; a kind adds its own tables."""

    kind: str
    """Which engine program the job runs: a name in the catalog."""

    name: str | None = None
    """What lists call the job; by default the spec file's name, or the kind."""

    resources: Resources = Resources()
    """The hosts, GPUs and ranks that it needs."""

    after: list[JobBefore] = []
    """Ids of jobs that must have succeeded before this one starts; "12:any": ended in any way."""

    hold: bool = False
    """Whether it waits until it is released."""

    retry: Retry = Retry()
    """Whether a failed attempt is followed by another."""


class SpecModule(Protocol):
    """What a kind's spec module gives. It is torch-free and quick to import."""

    SPEC: type[Spec]

    def resolve(self, spec: Spec, folder: Path) -> Spec:
        """Checks what can be checked before the job runs; paths become absolute from `folder`."""

    def program(self, spec: Spec) -> Program:
        """What each rank runs."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the catalog."""

    name: str
    title: str
    """One line for people."""

    spec_module: str
    """Relative to this package."""

    program_module: str | None = None
    """Holds `run(spec)`; None where the ranks run something that is not the engine's."""

    needs: tuple[str, ...] = ()
    """Packages that the program imports and that the base install does not bring."""

    def spec(self) -> SpecModule:
        """The kind's spec module, imported now."""
        return cast("SpecModule", import_module(self.spec_module, __package__))

    def run(self) -> Callable[[Spec], None]:
        """The kind's program, imported now, and with it all that it needs."""
        if self.program_module is None:
            raise SpecError(f'$.kind: "{self.name}" is no program of the engine\'s')
        return cast("Callable[[Spec], None]", import_module(self.program_module, __package__).run)

    def missing(self) -> list[str]:
        """Which of the packages it needs are not installed here, found without importing them."""
        return [package for package in self.needs if find_spec(package) is None]


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind(
            name="train",
            title="train a model on text or images",
            spec_module=".train.spec",
            program_module=".train.program",
            needs=("torch", "transformers", "accelerate", "tokenizers", "safetensors"),
        ),
        Kind(
            name="prepare",
            title="raw files made a clean dataset",
            spec_module=".prepare.spec",
            program_module=".prepare.program",
            needs=("fsspec", "ftfy", "numpy", "pyarrow", "xxhash"),
        ),
        Kind(
            name="evaluate",
            title="a model judged, and compared with others",
            spec_module=".evaluate.spec",
            program_module=".evaluate.program",
            needs=("torch", "transformers", "accelerate", "numpy", "pyarrow", "sklearn"),
        ),
        Kind(
            name="command",
            title="a script of your own under torchrun",
            spec_module=".command.spec",
        ),
    )
}
"""Kind by name."""


def kind_named(name: object, path: str = "$.kind") -> Kind:
    """The kind of that name.

    Raises:
        SpecError: there is none; the nearest name is given.
    """
    if isinstance(name, str) and name in KINDS:
        return KINDS[name]
    raise SpecError(f"{path}: unknown kind {hint(name, KINDS)}")
