"""The kind `train`: a causal language model, from a configuration, on text."""

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from ...agents.errors import SpecError
from ...agents.protocol.jobs import Program
from ..catalog import Spec
from .text import read_documents, resolved_source

Seed = Annotated[int, msgspec.Meta(ge=0, le=(1 << 32) - 1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]

BYTES: Final = 256
"""The least vocabulary of a byte-level tokenizer, before its end mark."""


class Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which text, and what of it is kept from the model."""

    source: str | list[str]
    """Text files in UTF-8: paths or globs, relative ones from the submitter's working directory;
    or "module:NAME", a Python module with a table of texts under its own last name, as
    "module:pydoc_data.topics" in every Python."""

    held_out: Annotated[float, msgspec.Meta(gt=0, le=0.5)] = 0.1
    """The share of the text that the model is judged on and never sees, at most a half."""

    seed: Seed = 0
    """Which documents those are."""


class Tokenizer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The byte-level BPE that is trained on the training text."""

    vocabulary: Annotated[int, msgspec.Meta(gt=BYTES, le=1 << 20)] = 2048
    """Tokens at most, the 256 bytes and the end mark among them."""


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A GPT-2 configuration. The default has 2.9 million parameters."""

    layers: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 3
    width: Annotated[int, msgspec.Meta(ge=1, le=1 << 16)] = 256
    """Numbers in a token's representation, a multiple of `heads`. On CPUs few wide layers go
    faster than many narrow ones of as many parameters."""

    heads: Annotated[int, msgspec.Meta(ge=1, le=1 << 10)] = 4
    context: Annotated[int, msgspec.Meta(ge=2, le=1 << 20)] = 128
    """Tokens that the model sees at once."""

    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.1

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(
                f"expected a width that is a multiple of the heads, got {self.width} and "
                f"{self.heads}"
            )


class Train(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long, how fast, on what."""

    data: Data
    tokenizer: Tokenizer = Tokenizer()
    model: Model = Model()

    steps: Annotated[int, msgspec.Meta(ge=1, le=10**9)] = 500
    """Updates of the weights."""

    batch: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = 16
    """Windows of `model.context` tokens in one update, over all ranks: a multiple of their
    number, so that the same spec learns the same on any."""

    learning_rate: Positive = 1e-3
    """The peak, after the warm-up; it falls along a cosine to a tenth of this."""

    warmup: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    """The share of the steps in which the learning rate rises."""

    weight_decay: NotNegative = 0.1
    """Of AdamW, on matrices only."""

    clip: Positive = 1.0
    """The largest norm of a gradient."""

    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """What the matrix products are computed in: "auto" is bf16 where the processor has
    instructions for it, else fp32. The weights are fp32."""

    seed: Seed = 0
    """Of the first weights, the order of the text, and dropout."""

    sample: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 120
    """Tokens of the text that the model writes into the log at the end."""

    prompt: str = ""
    """What that text begins with."""


class TrainSpec(Spec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A spec of the kind `train`."""

    kind: Literal["train"] = "train"
    train: Train
    """How long, how fast, on what."""


SPEC: Final = TrainSpec


def resolve(spec: Spec, folder: Path) -> Spec:
    """The spec with absolute paths; its text has been read once.

    Raises:
        SpecError: text that is missing, unreadable, empty or not UTF-8, or a batch that does not
            go into the ranks.
    """
    assert isinstance(spec, TrainSpec)  # noqa: S101 - the catalog gives each kind its own
    if spec.resources.ranks:
        check_batch(spec.train, spec.resources.ranks)
    _check_gpus(spec)
    data = spec.train.data
    source = resolved_source(data.source, folder)
    read_documents(source, modules=False)
    data = msgspec.structs.replace(data, source=source)
    return msgspec.structs.replace(spec, train=msgspec.structs.replace(spec.train, data=data))


def program(_spec: Spec) -> Program:
    """What each rank runs: the engine's one door."""
    return Program(
        arguments=["-m", "llmos.engine", "train"],
        warm=True,
        preload=["llmos.engine.train.program"],
    )


def check_batch(train: Train, ranks: int) -> None:
    """Nothing, if every rank gets as many windows.

    Raises:
        SpecError: the batch is no multiple of the ranks.
    """
    if train.batch % ranks:
        raise SpecError(
            f"$.train.batch: expected a multiple of the {ranks} ranks, got {train.batch}"
        )


def _check_gpus(spec: Spec) -> None:
    gpus, ranks = spec.resources.gpus, spec.resources.ranks
    if gpus and ranks and ranks > gpus:
        raise SpecError(
            f"$.resources.ranks: expected at most one for each of the {gpus} GPUs, got {ranks}"
        )
