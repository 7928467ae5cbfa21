"""The tasks that a model can be trained for, as one table.

A row names what is checked before a job is submitted, free of torch, and the module that brings
data, model, loss and figures to the one loop. So a new task is a module, a row and its checks.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from . import checks

if TYPE_CHECKING:
    from .spec import Data, Model, Train

Check = Callable[["Train", int | None, Path], tuple["Data", "Model"]]
"""(train, ranks if they are given, folder) → both with absolute paths, or SpecError."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One row."""

    title: str
    """One line for people."""

    check: Check
    """What can be seen of a spec's data and weights without torch."""

    module: str
    """Relative to this package; holds `new_work(spec, folder, accelerator, progress)`, which gives
    a `work.Work`. It is imported in the ranks."""

    keys: frozenset[str] = frozenset()
    """Those below $.train that this task uses and not all do."""


TASKS: Final = {
    "causal-lm": Task(
        title="go on with a text",
        check=checks.check_text,
        module=".causallm",
        keys=frozenset({"tokenizer", "sample", "prompt", "model.context"}),
    ),
    "text-classification": Task(
        title="say which class a text is of",
        check=checks.check_labelled_text,
        module=".textclassification",
        keys=frozenset(
            {"tokenizer", "patience", "model.context", "model.weights", "model.adapt"}
            | {"model.lora_rank"}
        ),
    ),
    "image-classification": Task(
        title="say which class an image is of",
        check=checks.check_labelled_images,
        module=".imageclassification",
        keys=frozenset({"patience", "data.shift", "model.image", "model.patch"}),
    ),
}
"""Task by name."""

ALL_KEYS: Final = frozenset[str]().union(*(task.keys for task in TASKS.values()))
"""Keys that some tasks have a use for and others have not."""
