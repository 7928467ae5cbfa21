"""The kind `train`: a model for one of the tasks that `tasks` lists."""

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from ...agents.errors import SpecError
from ...agents.protocol.jobs import Program
from ..catalog import Spec
from .tasks import ALL_KEYS, TASKS

Seed = Annotated[int, msgspec.Meta(ge=0, le=(1 << 32) - 1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]

SAVE_AS: Final = r"\A([A-Za-z0-9][A-Za-z0-9._-]{0,99})?\Z"
"""An artifact's name, or nothing."""

TaskName = Literal["causal-lm", "text-classification", "image-classification"]
"""A name in `tasks.TASKS`."""

BYTES: Final = 256
"""The least vocabulary of a byte-level tokenizer, before its end mark."""


class Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which data, and what of them is kept from the model."""

    source: str | list[str]
    """Of causal-lm: text files in UTF-8: paths or globs, relative ones from the submitter's working
    directory; or "module:NAME", a Python module with a table of texts under its own last name, as
    "module:pydoc_data.topics" in every Python. Of the classification tasks: a dataset
    that `prepare` made, as its folder or as "artifact:NAME[@VERSION|@ALIAS]"; or "sklearn:digits",
    scikit-learn's images of digits."""

    held_out: Annotated[float, msgspec.Meta(gt=0, le=0.5)] = 0.1
    """The share of the data that the model is judged on and never sees, at most a half. A dataset
    brings its own parts; where it has none to validate on, this share of the training part is
    taken. Of "sklearn:digits" it is one part for validation and one for the test."""

    shift: Annotated[int, msgspec.Meta(ge=0, le=1 << 10)] = 0
    """Pixels by which an image is moved at most while it is learned from, anew each time."""

    seed: Seed = 0
    """Which of the data those are."""


class Tokenizer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The byte-level BPE that is trained on the training text."""

    vocabulary: Annotated[int, msgspec.Meta(gt=BYTES, le=1 << 20)] = 2048
    """Tokens at most, the 256 bytes and the end mark among them."""


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A configuration: GPT-2's for causal-lm, where the default has 2.9 million parameters; BERT's
    for text-classification, ViT's for image-classification. Or existing weights."""

    layers: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 3
    width: Annotated[int, msgspec.Meta(ge=1, le=1 << 16)] = 256
    """Numbers in a token's representation, a multiple of `heads`. On CPUs few wide layers go
    faster than many narrow ones of as many parameters."""

    heads: Annotated[int, msgspec.Meta(ge=1, le=1 << 10)] = 4
    context: Annotated[int, msgspec.Meta(ge=2, le=1 << 20)] = 128
    """Tokens that the model sees at once; longer texts are cut when they are classified."""

    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.1

    image: Annotated[int, msgspec.Meta(ge=1, le=1 << 12)] = 32
    """Pixels a side to which every image is brought, a multiple of `patch`."""

    patch: Annotated[int, msgspec.Meta(ge=1, le=1 << 10)] = 4
    """Pixels a side of what becomes one token."""

    weights: str = ""
    """Existing weights to start from, in place of the shape above: a transformers folder,
    "module:NAME/FOLDER", one inside an installed package, or "artifact:NAME[@VERSION|@ALIAS]"."""

    adapt: Literal["full", "frozen", "lora"] = "full"
    """What is trained of existing weights: all, only the new head, or the head and matrices of low
    rank beside the others (LoRA; needs peft), which are added up when the model is saved."""

    lora_rank: Annotated[int, msgspec.Meta(ge=1, le=1 << 10)] = 8
    """Of those matrices."""

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(
                f"expected a width that is a multiple of the heads, got {self.width} and "
                f"{self.heads}"
            )
        if self.image % self.patch:
            raise ValueError(
                f"expected an image that is a multiple of the patch, got {self.image} and "
                f"{self.patch}"
            )


class Train(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is learned, how long, how fast, from what."""

    task: TaskName = "causal-lm"
    """What the model shall do: go on with a text, or say which class a text or an image is of."""

    data: Data
    tokenizer: Tokenizer = Tokenizer()
    model: Model = Model()

    steps: Annotated[int, msgspec.Meta(ge=1, le=10**9)] = 500
    """Updates of the weights."""

    epochs: Annotated[int, msgspec.Meta(ge=1, le=10**6)] | None = None
    """Passes over the training data, in place of `steps`."""

    batch: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = 16
    """Windows of `model.context` tokens, or texts, or images in one update, over all ranks: a
    multiple of their number, so that the same spec learns the same on any."""

    accumulate: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = 1
    """Parts in which a rank's share of a batch goes through the model, to need less memory."""

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

    patience: Annotated[int, msgspec.Meta(ge=0, le=10**6)] = 0
    """Epochs without a better accuracy on the validation part after which training ends, with the
    best epoch's weights; 0 trains to the end and keeps the last."""

    seed: Seed = 0
    """Of the first weights, the order of the data, and dropout."""

    save_as: Annotated[str, msgspec.Meta(pattern=SAVE_AS)] = ""
    """What the model is called among the artifacts; by default as the job."""

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
    """The spec with absolute paths; what can be seen of its data without torch has been looked at.

    Raises:
        SpecError: data or weights that are missing or cannot be used, a key that the task has no
            use for, or a batch that does not go into the ranks.
    """
    assert isinstance(spec, TrainSpec)  # noqa: S101 - the catalog gives each kind its own
    if spec.resources.ranks:
        check_batch(spec.train, spec.resources.ranks)
    _check_gpus(spec)
    _check_used(spec.train)
    data, model = TASKS[spec.train.task].check(spec.train, spec.resources.ranks, folder)
    train = msgspec.structs.replace(spec.train, data=data, model=model)
    return msgspec.structs.replace(spec, train=train)


def program(spec: Spec) -> Program:
    """What each rank runs: the engine's one door."""
    assert isinstance(spec, TrainSpec)  # noqa: S101 - the catalog gives each kind its own
    task = TASKS[spec.train.task]
    return Program(
        arguments=["-m", "llmos.engine", "train"],
        warm=True,
        preload=["llmos.engine.train.program", f"llmos.engine.train{task.module}"],
    )


def check_batch(train: Train, ranks: int) -> None:
    """Nothing, if every rank gets as much of it, in parts of one size.

    Raises:
        SpecError: the batch is no multiple of the ranks, or a rank's share none of the parts.
    """
    if train.batch % ranks:
        raise SpecError(
            f"$.train.batch: expected a multiple of the {ranks} ranks, got {train.batch}"
        )
    if train.batch % (ranks * train.accumulate):
        raise SpecError(
            f"$.train.accumulate: expected parts into which {train.batch // ranks} go, "
            f"a rank's share of the batch, got {train.accumulate}"
        )


def _check_gpus(spec: Spec) -> None:
    gpus, ranks = spec.resources.gpus, spec.resources.ranks
    if gpus and ranks and ranks > gpus:
        raise SpecError(
            f"$.resources.ranks: expected at most one for each of the {gpus} GPUs, got {ranks}"
        )


def _check_used(train: Train) -> None:
    for path in sorted(ALL_KEYS - TASKS[train.task].keys):
        value, default = _value(train, path), _default(path)
        if value != default:
            raise SpecError(f"$.train.{path}: the task {train.task} has no use for it")
    if train.model.adapt != "full" and not train.model.weights:
        raise SpecError("$.train.model.weights: missing, expected the weights to adapt")


def _value(train: Train, path: str) -> object:
    value: object = train
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _default(path: str) -> object:
    return _value(Train(data=Data(source="")), path)
