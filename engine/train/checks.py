"""What is looked at before a job is submitted: whether data and weights are there and fit the task.

Free of torch and numpy and quick to import.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ...agents.errors import ArtifactError, SpecError
from ..artifacts.inputs import is_artifact
from ..artifacts.transformersfolder import check as check_folder
from .dataset import Dataset, described
from .text import MODULE, read_documents, resolved_source

if TYPE_CHECKING:
    from .spec import Data, Model, Train

DIGITS: Final = "sklearn:digits"
SOURCE: Final = "$.train.data.source"
WEIGHTS: Final = "$.train.model.weights"


def check_text(train: "Train", _ranks: int | None, folder: Path) -> tuple["Data", "Model"]:
    """The text of a language model has been read once.

    Raises:
        SpecError: text that is missing, unreadable, empty or not UTF-8.
    """
    source = resolved_source(train.data.source, folder)
    read_documents(source, modules=False)
    return msgspec.structs.replace(train.data, source=source), train.model


def check_labelled_text(train: "Train", ranks: int | None, folder: Path) -> tuple["Data", "Model"]:
    """A dataset of texts with labels, and weights that it can be learned with. Artifacts are looked
    at in the ranks.

    Raises:
        SpecError: the dataset or the weights cannot be used; LoRA without peft.
    """
    data = _labelled(train, ranks, folder, "text")
    if train.model.adapt == "lora" and find_spec("peft") is None:
        raise SpecError('$.train.model.adapt: "lora" needs peft: pip install peft')
    if not train.model.weights or is_artifact(train.model.weights):
        return data, train.model
    weights = weights_folder(train.model.weights, folder)
    _check_weights(weights)
    return data, msgspec.structs.replace(train.model, weights=str(weights))


def check_labelled_images(
    train: "Train", ranks: int | None, folder: Path
) -> tuple["Data", "Model"]:
    """scikit-learn's digits, or a dataset of images with labels.

    Raises:
        SpecError: the dataset cannot be used.
    """
    if train.data.source == DIGITS:
        _need("sklearn", "scikit-learn")
        return train.data, train.model
    _need("PIL", "pillow")
    return _labelled(train, ranks, folder, "image"), train.model


def weights_folder(weights: str, folder: Path) -> Path:
    """Where the weights lie: a path from `folder`, or "module:NAME/FOLDER" in a package, which is
    found and not imported.

    Raises:
        SpecError: there is no such package.
    """
    if not weights.startswith(MODULE):
        return folder / weights
    name, _, below = weights.removeprefix(MODULE).partition("/")
    found = find_spec(name) if name.isidentifier() else None
    if found is None or not found.submodule_search_locations:
        raise SpecError(f"{WEIGHTS}: no package named {name!r}; install it")
    return Path(found.submodule_search_locations[0], below)


def _labelled(train: "Train", ranks: int | None, folder: Path, column: str) -> "Data":
    _need("pyarrow", "pyarrow")
    source = train.data.source
    if not isinstance(source, str) or not source:
        raise SpecError(f"{SOURCE}: expected one folder of a dataset")
    if is_artifact(source):
        return train.data
    place = folder / source
    _check_dataset(described(place), place, column)
    rows = described(place).parts["train"].rows
    if ranks and ranks > rows:
        raise SpecError(f"$.resources.ranks: {ranks} ranks for {rows} samples; ask for fewer ranks")
    if train.batch > rows:
        raise SpecError(f"$.train.batch: expected at most the {rows} samples, got {train.batch}")
    return msgspec.structs.replace(train.data, source=str(place))


def _check_dataset(dataset: Dataset, place: Path, column: str) -> None:
    if column not in dataset.columns:
        columns = ", ".join(sorted(dataset.columns))
        raise SpecError(f'{SOURCE}: {place} has no column "{column}", only {columns}')
    if not dataset.label or not dataset.labels:
        raise SpecError(f"{SOURCE}: {place} has no labels; prepare it with a label column")
    if len(dataset.labels) < 2:
        raise SpecError(
            f'{SOURCE}: {place} has one class, "{dataset.labels[0]}"; nothing to tell apart'
        )
    for part in ("train", "test"):
        if part not in dataset.parts or not dataset.parts[part].rows:
            raise SpecError(f'{SOURCE}: {place} has no "{part}" part; prepare it with a split')


def _check_weights(weights: Path) -> None:
    if not weights.is_dir():
        raise SpecError(f"{WEIGHTS}: no such folder: {weights}")
    try:
        found = check_folder(weights)
    except ArtifactError as error:
        raise SpecError(f"{WEIGHTS}: {error}") from None
    if not found.tokenizer:
        raise SpecError(f"{WEIGHTS}: {weights} has no tokenizer; save it there, too")


def _need(module: str, package: str) -> None:
    if find_spec(module) is None:
        raise SpecError(f"$.train.task: needs {package}: pip install 'llmos[engine]'")
