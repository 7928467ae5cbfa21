"""The program of the kind `train`, run once in each rank: data in, a saved and judged model out."""

import os
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec
from accelerate import Accelerator
from accelerate.utils import set_seed

from ..artifacts.inputs import folder_of, is_artifact
from ..catalog import Spec
from ..progress import Progress, own_progress
from .loop import run_steps
from .processor import new_accelerator
from .register import PREDICTIONS, register, write_predictions
from .save import check_free
from .spec import Train, TrainSpec, check_batch
from .tasks import TASKS
from .work import Verdict, Work

if TYPE_CHECKING:
    from collections.abc import Callable


def run(spec: Spec) -> None:
    """Trains, judges, saves and registers. Every rank calls it; rank 0 does what need be done only
    once.

    Raises:
        SpecError: the data cannot be used, or the batch does not go into the ranks.
        LaunchError: the model cannot be saved, or the loss diverges.
        ArtifactError: the model cannot be kept in the store of artifacts.
    """
    assert isinstance(spec, TrainSpec)  # noqa: S101 - the catalog gives each kind its own
    folder = Path(os.environ.get("LLMOS_TASK") or ".").absolute()
    progress = own_progress()
    try:
        _run(spec, folder, progress)
    finally:
        progress.close()


def _run(spec: TrainSpec, folder: Path, progress: Progress) -> None:
    began = time.monotonic()
    progress.phase("starting")
    check_free(folder / "model")
    train = _with_folders(spec.train)
    accelerator = new_accelerator(train.precision)
    check_batch(train, accelerator.num_processes)
    work = _new_work(train, folder / "data", accelerator, progress)
    train = _with_steps(train, work)
    if accelerator.is_main_process:
        _introduce(work, accelerator)
    progress.phase("training")
    # Alike until here, so that the first weights are; from here on each rank drops other units.
    set_seed(train.seed + accelerator.process_index)
    run_steps(accelerator.prepare(work.model), work, train, accelerator, progress)
    progress.phase("evaluating")
    verdict = work.judge()
    if accelerator.is_main_process:
        _report(verdict, progress)
        _save(work, verdict, spec, folder, progress)
        if farewell := work.farewell():
            print(f"\n{farewell}")
        print(f"done in {time.monotonic() - began:.0f} s")
    progress.phase("done")
    accelerator.end_training()


def _with_folders(train: Train) -> Train:
    """With folders in place of artifacts, which have been looked at as folders are at submit."""
    weights, source = train.model.weights, train.data.source
    named = isinstance(source, str) and is_artifact(source)
    if not named and not is_artifact(weights):
        return train
    data, model = train.data, train.model
    if isinstance(source, str):
        data = msgspec.structs.replace(data, source=str(folder_of(source)[0]))
    if is_artifact(weights):
        model = msgspec.structs.replace(model, weights=str(folder_of(weights)[0]))
    train = msgspec.structs.replace(train, data=data, model=model)
    data, model = TASKS[train.task].check(train, None, Path.cwd())
    return msgspec.structs.replace(train, data=data, model=model)


def _new_work(train: Train, folder: Path, accelerator: Accelerator, progress: Progress) -> Work:
    module = import_module(TASKS[train.task].module, __package__)
    new_work = cast("Callable[[Train, Path, Accelerator, Progress], Work]", module.new_work)
    return new_work(train, folder, accelerator, progress)


def _with_steps(train: Train, work: Work) -> Train:
    """How many steps the epochs are, now that the data are known."""
    if train.epochs is None:
        return train
    return msgspec.structs.replace(train, steps=train.epochs * work.steps_per_epoch)


def _introduce(work: Work, accelerator: Accelerator) -> None:
    print(
        f"{work.introduction()}\n"
        f"{accelerator.num_processes} ranks on {accelerator.device.type}, "
        f"precision {'fp32' if accelerator.mixed_precision == 'no' else 'bf16'}",
        flush=True,
    )


def _report(verdict: Verdict, progress: Progress) -> None:
    for name, value in verdict.results.items():
        progress.result(name, value)
    print(f"\n{verdict.text}")


def _save(work: Work, verdict: Verdict, spec: TrainSpec, folder: Path, progress: Progress) -> None:
    progress.phase("saving")
    predictions = folder / PREDICTIONS if verdict.predictions else None
    if predictions is not None:
        write_predictions(verdict.predictions, predictions)
        progress.artifact("predictions", predictions)
    work.save(folder / "model")
    progress.artifact("model", folder / "model")
    print(f"\nsaved as {folder / 'model'}")
    name = register(folder / "model", predictions, spec, work.parents, verdict.results, progress)
    if name is not None:
        print(f"registered as {name}")
