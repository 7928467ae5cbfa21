"""The kind `evaluate`: a model judged on data that it never saw, and compared with others."""

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from ...agents.errors import ArtifactError, SpecError
from ...agents.protocol.jobs import Program
from ..artifacts.inputs import is_artifact
from ..artifacts.transformersfolder import check as check_folder
from ..catalog import Spec
from ..train.checks import weights_folder
from ..train.dataset import described
from ..train.text import MODULE

Task = Literal["text-classification", "image-classification", "causal-lm"]
Perturbation = Literal["typos", "case", "corruption", "length"]
PREDICTIONS: Final = "predictions.jsonl"
BASELINES: Final = {
    "majority": "",
    "tfidf-logistic": "sklearn",
    "vader": "vaderSentiment",
}
"""What a model can be compared with by name, and the package that it needs."""

COLUMN: Final = {
    "text-classification": "text",
    "image-classification": "image",
    "causal-lm": "text",
}
"""Of the dataset, by task."""


class Evaluate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is judged, on what, beside what."""

    task: Task
    """What the model was made for."""

    data: str
    """The folder of a dataset, or "artifact:NAME[@VERSION|@ALIAS]"."""

    part: Literal["train", "valid", "test"] = "test"
    """Of the dataset."""

    model: str
    """A transformers folder, "module:NAME/FOLDER" in a package, or an artifact. Of classification
    also predictions: a file of lines {"id", "label", "predicted", "score"}, or an artifact of
    them, as `train` makes it."""

    against: list[str] = []
    """What it is compared with, each on its own: further models or predictions; or of
    classification "majority", the commonest class; "tfidf-logistic", a logistic regression on
    words and pairs of words; "vader", a lexicon of feelings (Hutto and Gilbert 2014)."""

    slices: list[str] = []
    """Columns by whose values the figures are told apart; texts also by their length."""

    robustness: list[Perturbation] = []
    """What is done to the texts before the model judges them once more: "typos": one letter in
    twenty is lost, doubled or swapped; "case": all letters are large; "corruption": one character
    in twenty is a wrong one; "length": the first half of the words alone."""

    memorised: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    """Of causal-lm: so many texts of the train part are begun, and it is counted how often the
    model goes on word for word."""

    context: Annotated[int, msgspec.Meta(ge=2, le=1 << 20)] | None = None
    """Tokens that the model sees of a text; by default as many as it can."""

    batch: Annotated[int, msgspec.Meta(ge=1, le=1 << 16)] = 32
    """Samples that a rank's model sees at once."""

    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """As in `train`."""

    latency: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 30
    """Single samples whose time is taken, after some that are not; 0 for none."""

    worst: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 20
    """Mistakes that the report shows, the surest first."""

    seed: Annotated[int, msgspec.Meta(ge=0, le=(1 << 32) - 1)] = 0
    """Of perturbations and resamples."""

    save_as: Annotated[str, msgspec.Meta(pattern=r"\A([A-Za-z0-9][A-Za-z0-9._-]{0,99})?\Z")] = ""
    """What the report is called among the artifacts; by default as the job, with "-report"."""


class EvaluateSpec(Spec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A spec of the kind `evaluate`."""

    kind: Literal["evaluate"] = "evaluate"
    evaluate: Evaluate
    """What is judged, on what, beside what."""


SPEC: Final = EvaluateSpec


def resolve(spec: Spec, folder: Path) -> Spec:
    """The spec with absolute paths; what can be seen of data and models without torch has been.

    Raises:
        SpecError: data or a model that is missing or does not fit the task.
    """
    assert isinstance(spec, EvaluateSpec)  # noqa: S101 - the catalog gives each kind its own
    asked = spec.evaluate
    _check_used(asked)
    data = asked.data if is_artifact(asked.data) else _data(asked, folder)
    model = _subject(asked.model, "$.evaluate.model", asked, folder)
    against = [
        each if each in BASELINES else _subject(each, f"$.evaluate.against[{at}]", asked, folder)
        for at, each in enumerate(asked.against)
    ]
    checked = msgspec.structs.replace(asked, data=data, model=model, against=against)
    return msgspec.structs.replace(spec, evaluate=checked)


def program(_spec: Spec) -> Program:
    """What each rank runs: the engine's one door."""
    return Program(
        arguments=["-m", "llmos.engine", "evaluate"],
        warm=True,
        preload=["llmos.engine.evaluate.program"],
    )


def _check_used(asked: Evaluate) -> None:
    classifies = asked.task != "causal-lm"
    if classifies and asked.memorised:
        raise SpecError(f"$.evaluate.memorised: the task {asked.task} has no use for it")
    if asked.robustness and asked.task != "text-classification":
        raise SpecError(f"$.evaluate.robustness: the task {asked.task} has no use for it")
    for at, each in enumerate(asked.against):
        where = f"$.evaluate.against[{at}]"
        if each in BASELINES and not classifies:
            raise SpecError(f"{where}: {each} says classes; the task is {asked.task}")
        if each in ("tfidf-logistic", "vader") and asked.task != "text-classification":
            raise SpecError(f"{where}: {each} reads texts; the task is {asked.task}")
        _check_package(BASELINES.get(each, ""), where)


def _check_package(package: str, where: str) -> None:
    from importlib.util import find_spec

    if package and find_spec(package) is None:
        raise SpecError(f"{where}: needs {package}: pip install {package}")


def _data(asked: Evaluate, folder: Path) -> str:
    where, place = "$.evaluate.data", folder / asked.data
    dataset = described(place, where)
    column = COLUMN[asked.task]
    for name in (column, *asked.slices):
        if name not in dataset.columns:
            columns = ", ".join(sorted(dataset.columns))
            raise SpecError(f'{where}: {place} has no column "{name}", only {columns}')
    if asked.task != "causal-lm" and not dataset.labels:
        raise SpecError(f"{where}: {place} has no labels; prepare it with a label column")
    if asked.part not in dataset.parts or not dataset.parts[asked.part].rows:
        raise SpecError(f'{where}: {place} has no row in its part "{asked.part}"')
    return str(place)


def _subject(named: str, where: str, asked: Evaluate, folder: Path) -> str:
    """A model's folder or a file of predictions, as an absolute path; artifacts as they are."""
    if is_artifact(named):
        return named
    place = weights_folder(named, folder) if named.startswith(MODULE) else folder / named
    if asked.task != "causal-lm" and place.name.endswith(".jsonl") and place.is_file():
        return str(place)
    if (place / PREDICTIONS).is_file():
        return str(place / PREDICTIONS)
    if not place.is_dir():
        known = f", nor one of {', '.join(BASELINES)}" if "against" in where else ""
        raise SpecError(f"{where}: no such folder or file of predictions: {place}{known}")
    check_model(place, where, asked.task)
    return str(place)


def check_model(place: Path, where: str, task: Task) -> None:
    """Nothing, if a folder holds a model without pickles, and a tokenizer where it reads texts.

    Raises:
        SpecError: what is wrong with it.
    """
    try:
        found = check_folder(place)
    except ArtifactError as error:
        raise SpecError(f"{where}: {error}") from None
    if COLUMN[task] == "text" and not found.tokenizer:
        raise SpecError(f"{where}: {place} has no tokenizer; save it there, too")
