"""The program of the kind `evaluate`, run once in each rank: a model and data in, a report out.

The ranks share what the models are asked; rank 0 counts, compares, writes and registers. As many
ranks as there are, the report is the same.
"""

import os
import resource
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from accelerate import Accelerator

from ...agents.errors import SpecError
from ...agents.protocol.artifacts import Parent, digest_of
from ..artifacts.inputs import PREFIX, folder_of, is_artifact
from ..artifacts.manifest import manifest_of
from ..artifacts.publish import publish_and_describe
from ..catalog import Spec
from ..progress import Progress, own_progress
from ..train.processor import new_accelerator
from .baselines import baseline
from .classifier import Classifier
from .metrics import figures, mistakes, slices
from .outcome import Outcome, from_file
from .perturb import perturbed
from .report import Compared, Memorised, Perturbed, Report, Speed, lines, verdict_line, write
from .rows import Rows, read
from .spec import BASELINES, COLUMN, PREDICTIONS, Evaluate, EvaluateSpec, check_model
from .textlm import Surprise, TextModel, compare_texts
from .verdict import compare_right

MODEL = "$.evaluate.model"
WARM = 5
"""Single samples ahead of those whose time is taken."""

NAMED = 5
"""Of the rows that cannot be judged, those that the report names."""


def run(spec: Spec) -> None:
    """Judges a model. Every rank calls it.

    Raises:
        SpecError: data or a model that cannot be used.
        LaunchError: an artifact that cannot be read.
        ArtifactError: the report cannot be kept.
    """
    assert isinstance(spec, EvaluateSpec)  # noqa: S101 - the catalog gives each kind its own
    task = Path(os.environ.get("LLMOS_TASK") or ".").absolute()
    progress = own_progress()
    try:
        _run(spec, task, progress)
    finally:
        progress.close()


def _run(spec: EvaluateSpec, task: Path, progress: Progress) -> None:
    asked = spec.evaluate
    progress.phase("reading data")
    data, parent = folder_of(asked.data)
    text = asked.task == "causal-lm"
    rows = read(data, asked.part, COLUMN[asked.task], asked.slices, labelled=not text)
    parents = [parent or Parent(manifest_of(data).digest, "data")]
    accelerator = new_accelerator(asked.precision)
    progress.phase("judging")
    judge = _judge_texts if text else _judge_classes
    report, speed = judge(asked, data, rows, accelerator, parents, progress)
    if accelerator.is_main_process:
        _finish(spec, report, speed, parents, task, progress)
    progress.phase("done")
    accelerator.end_training()


def _judge_classes(
    asked: Evaluate,
    data: Path,
    rows: Rows,
    accelerator: Accelerator,
    parents: list[Parent],
    progress: Progress,
) -> tuple[Report, Speed | None]:
    def outcome(named: str, where: str) -> tuple[Outcome, Classifier | None]:
        if named in BASELINES:
            return baseline(named, asked, data, rows), None
        place, parent = _located(named, where, asked)
        parents.append(parent)
        if place.name.endswith(".jsonl"):
            return from_file(place, rows, where, _called(named), parent), None
        model = Classifier(place, where, asked, accelerator)
        model.check(rows, where)
        return model.outcome(rows.values, _called(named), parent), model

    own, model = outcome(asked.model, MODEL)
    if model is None and asked.robustness:
        raise SpecError(
            f"$.evaluate.robustness: {MODEL} is predictions, which cannot be asked again"
        )
    robustness = []
    for how in asked.robustness if model else ():
        progress.phase(f"texts changed: {how}")
        changed = perturbed(rows.values, how, asked.seed)
        again = model.outcome(changed, how, None) if model else own
        robustness.append(Perturbed(how, compare_right(own.right(rows), again.right(rows))))
    compared = []
    for at, each in enumerate(asked.against):
        if each in BASELINES and not accelerator.is_main_process:
            continue  # they cost as much on each rank, and one rank tells of them
        progress.phase(f"comparing with {_called(each)}")
        other, _ = outcome(each, f"$.evaluate.against[{at}]")
        verdict = compare_right(other.right(rows), own.right(rows))
        compared.append(Compared(figures(other, rows), verdict))
    report = Report(
        task=asked.task,
        data=_called(asked.data),
        part=asked.part,
        model=own.name,
        rows=len(rows),
        aside=rows.aside[:NAMED],
        figures=figures(own, rows),
        compared=compared,
        slices=slices(own, rows),
        robustness=robustness,
        mistakes=mistakes(own, rows, asked.worst),
    )
    return report, _speed(asked, model, rows, accelerator, progress)


def _judge_texts(
    asked: Evaluate,
    data: Path,
    rows: Rows,
    accelerator: Accelerator,
    parents: list[Parent],
    progress: Progress,
) -> tuple[Report, Speed | None]:
    def surprise(named: str, where: str) -> tuple[Surprise, TextModel]:
        place, parent = _located(named, where, asked)
        parents.append(parent)
        model = TextModel(place, where, asked, accelerator)
        return model.surprise(rows.values, _called(named), parent), model

    own, model = surprise(asked.model, MODEL)
    compared = []
    for at, each in enumerate(asked.against):
        progress.phase(f"comparing with {_called(each)}")
        other, _ = surprise(each, f"$.evaluate.against[{at}]")
        compared.append(Compared(other.figures(), compare_texts(other, own, asked.seed)))
    memorised = None
    if asked.memorised:
        progress.phase("what it knows by heart")
        learned = read(data, "train", "text", [], labelled=False)
        memorised = Memorised(*model.known_by_heart(learned.values, asked.memorised))
    report = Report(
        task=asked.task,
        data=_called(asked.data),
        part=asked.part,
        model=own.name,
        rows=len(rows),
        aside=rows.aside[:NAMED],
        figures=own.figures(),
        compared=compared,
        memorised=memorised,
    )
    return report, _speed(asked, model, rows, accelerator, progress)


def _located(named: str, where: str, asked: Evaluate) -> tuple[Path, Parent]:
    """The folder of a model, or a file of predictions, and its digest.

    Raises:
        SpecError: an artifact that is neither.
    """
    place, parent = folder_of(named, "model")
    if not is_artifact(named):
        return place, Parent(manifest_of(place).digest, "model")
    assert parent is not None  # noqa: S101 - artifacts have one
    if asked.task != "causal-lm" and (place / PREDICTIONS).is_file():
        return place / PREDICTIONS, Parent(parent.digest, "predictions")
    check_model(place, where, asked.task)
    return place, parent


def _called(named: str) -> str:
    """What a report calls a path, an artifact or a baseline."""
    if is_artifact(named):
        return named.removeprefix(PREFIX)
    return named if named in BASELINES else Path(named).name


def _speed(
    asked: Evaluate,
    model: Classifier | TextModel | None,
    rows: Rows,
    accelerator: Accelerator,
    progress: Progress,
) -> Speed | None:
    """Taken by rank 0 while the others wait."""
    speed = None
    if model is not None and asked.latency and accelerator.is_main_process:
        progress.phase("taking its time")
        seconds = _seconds(model.one, rows.values, asked.latency)
        p50, p99 = np.quantile(seconds, [0.5, 0.99]).tolist()
        speed = Speed(len(seconds), p50, p99, _most_memory(), model.parameters)
    accelerator.wait_for_everyone()
    return speed


def _seconds(one: Callable[[str], None], values: Sequence[str], count: int) -> list[float]:
    seconds = []
    for at in range(WARM + count):
        began = time.perf_counter()
        one(values[at % len(values)])
        seconds.append(time.perf_counter() - began)
    return seconds[WARM:]


def _most_memory() -> int:
    """Bytes: of the GPU if there is one, else of the process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _finish(
    spec: EvaluateSpec,
    report: Report,
    speed: Speed | None,
    parents: list[Parent],
    task: Path,
    progress: Progress,
) -> None:
    print("\n".join(lines(report)))
    _say(report, speed, progress)
    made = task / "report.part"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    write(report, made)
    place = task / "report"
    shutil.rmtree(place, ignore_errors=True)
    made.replace(place)
    progress.artifact("report", place)
    uri = os.environ.get("LLMOS_ARTIFACTS")
    if not uri:
        return
    progress.phase("publishing")
    name = spec.evaluate.save_as or f"{spec.name or 'evaluate'}-report"
    line = publish_and_describe(
        uri,
        place,
        name,
        "report",
        parents=list(dict.fromkeys(parents)),
        metrics=report.metrics,
        tags={"task": report.task, **{f"against {k}": v for k, v in _words(report).items()}},
        spec=digest_of(msgspec.json.encode(spec.evaluate)),
    )
    progress.register(line)
    print(f"registered as {name}")


def _words(report: Report) -> dict[str, str]:
    return {one.figures.name: one.verdict.word for one in report.compared}


def _say(report: Report, speed: Speed | None, progress: Progress) -> None:
    for name, value in report.metrics.items():
        progress.result(name, value)
    for one in report.compared:
        progress.result(f"against {one.figures.name}", verdict_line(one))
    if speed is not None:
        print(
            f"\none sample: {1000 * speed.p50:.1f} ms (p99 {1000 * speed.p99:.1f} of "
            f"{speed.samples}); {speed.parameters:,} parameters, "
            f"{speed.memory / 2**20:,.0f} MiB at most"
        )
        progress.result("latency_p50_ms", 1000 * speed.p50)
        progress.result("latency_p99_ms", 1000 * speed.p99)
        progress.result("memory_mib", speed.memory / 2**20)
