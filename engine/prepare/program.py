"""The program of the kind `prepare`, run once in each rank: raw files in, a judged dataset out.

Each rank cleans shards; rank 0 then looks at all rows together, and writes, publishes and registers
the dataset. Nothing is registered before all of it is whole.
"""

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ...agents.errors import SpecError
from ...agents.protocol.artifacts import Parent
from ..artifacts.inputs import folder_of, is_artifact
from ..artifacts.publish import publish_and_describe
from ..catalog import Spec
from ..progress import Progress, own_progress
from .account import ShardAccount, StepAccount, added
from .assemble import assemble, dropped_by_source
from .judge import judge
from .meeting import (
    await_accounts,
    await_plan,
    earlier_attempts,
    forget_rows,
    publish_plan,
    taken_over,
)
from .plan import Plan, planned
from .report import Report, all_steps, aside_of, sources_of, summed, write_report
from .shard import Cleaner, read_account
from .spec import Prepare, PrepareSpec

ASIDE = "aside.jsonl"


def run(spec: Spec) -> None:
    """Prepares a dataset. Every rank calls it.

    Raises:
        SpecError: a source that is gone or cannot be read, or data that cannot give what is asked.
        ArtifactError: the dataset cannot be published.
    """
    assert isinstance(spec, PrepareSpec)  # noqa: S101 - the catalog gives each kind its own
    task = Path(os.environ.get("LLMOS_TASK") or ".").absolute()
    rank, ranks = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    progress = own_progress()
    try:
        _run(spec.prepare, task, rank, ranks, progress)
    finally:
        progress.close()


def _run(asked: Prepare, task: Path, rank: int, ranks: int, progress: Progress) -> None:
    began = time.monotonic()
    work = task / "prepare"
    shards = work / "shards"
    shards.mkdir(parents=True, exist_ok=True)
    progress.phase("planning")
    parents: list[Parent] = []
    if rank == 0:
        plan = planned(with_folders(asked, parents))
        publish_plan(plan, work)
        print(f"{len(plan.shards)} shards of {len(asked.sources)} sources on {ranks} ranks")
    else:
        plan = await_plan(work)
    progress.phase("cleaning")
    _clean(asked, plan, task, range(rank, len(plan.shards), ranks), progress)
    if rank == 0:
        _finish(asked, plan, task, parents, began, progress)
    progress.phase("done")


def with_folders(asked: Prepare, parents: list[Parent]) -> Prepare:
    """With the files of earlier datasets in place of their artifacts, which become parents.

    Raises:
        LaunchError: an artifact cannot be read.
    """
    sources = []
    for source in asked.sources:
        entries = [source.path] if isinstance(source.path, str) else source.path
        found = []
        for entry in entries:
            if is_artifact(entry):
                folder, parent = folder_of(entry)
                entry = str(folder / "*.parquet")
                if parent is not None and parent not in parents:
                    parents.append(parent)
            found.append(entry)
        sources.append(msgspec.structs.replace(source, path=found))
    return msgspec.structs.replace(asked, sources=sources)


def _clean(asked: Prepare, plan: Plan, task: Path, own: Sequence[int], progress: Progress) -> None:
    """Does those of this rank's shards that no attempt has done."""
    shards = task / "prepare" / "shards"
    earlier = earlier_attempts(task, plan)
    cleaner = None
    accounts: list[ShardAccount] = []
    for done, number in enumerate(own, 1):
        began = time.monotonic()
        if taken_over(number, shards, earlier):
            account = read_account(shards / f"{number:05}.json")
            assert account is not None  # noqa: S101 - it has just been linked
        else:
            cleaner = cleaner or Cleaner(asked, shards)
            account = cleaner.clean(number, plan.shards[number])
        accounts.append(account)
        _say(progress, done, len(own), accounts, time.monotonic() - began)


def _say(
    progress: Progress, done: int, count: int, accounts: Sequence[ShardAccount], dt: float
) -> None:
    figures: dict[str, int | float] = {
        "rows": sum(account.before.rows for account in accounts),
        "kept": sum(account.after.rows for account in accounts),
        "aside": sum(account.aside for account in accounts),
        "dt": dt,
    }
    for step in added(accounts, 0):
        figures[f"{step.name}_in"] = step.before
        figures[f"{step.name}_out"] = step.after
    progress.metric(done, count, **figures)


def _finish(
    asked: Prepare,
    plan: Plan,
    task: Path,
    parents: list[Parent],
    began: float,
    progress: Progress,
) -> None:
    """What is done once, when all shards are."""
    shards = task / "prepare" / "shards"
    accounts = list(await_accounts(shards, len(plan.shards)))
    _check_any(accounts, shards)
    progress.phase("judging")
    paths = [shards / f"{account.shard:05}.parquet" for account in accounts]
    sources = [account.source for account in accounts]
    judged = judge(list(zip(sources, paths, strict=True)), asked)
    progress.phase("writing")
    folder = _empty(task / "prepare" / "dataset.part")
    made = assemble(paths, judged, asked, folder)
    if not made.parts["train"].rows:
        raise SpecError(
            f"$.prepare.split: leaves no row for the part train, of {len(judged.part)} rows in all"
        )
    _gather_aside(accounts, shards, folder / ASIDE)
    report = Report(
        dataset=asked.dataset,
        shards=len(accounts),
        sources=sources_of(asked, plan, accounts, dropped_by_source(judged, len(asked.sources))),
        steps=all_steps(accounts, judged.steps, made.samples, asked.samples),
        aside=aside_of(accounts, folder / ASIDE),
        before=summed([account.before for account in accounts]),
        after=summed(list(made.parts.values())),
        parts=made.parts,
        labels_conflict=judged.conflicts,
    )
    write_report(report, folder)
    place = task / "dataset"
    shutil.rmtree(place, ignore_errors=True)
    folder.replace(place)
    _print(report)
    again = len(list(shards.glob("*.again")))
    if again:
        print(f"{again:,} of {len(accounts):,} shards were done by an earlier attempt")
    progress.result("shards_again", again)
    progress.result("seconds", round(time.monotonic() - began, 2))
    _register(asked, report, place, parents, progress)
    forget_rows(shards)


def _register(
    asked: Prepare, report: Report, place: Path, parents: list[Parent], progress: Progress
) -> None:
    """Says what was made: to the agent's index where there is a store, else as a folder."""
    figures = {f"rows_{name}": shape.rows for name, shape in report.parts.items()}
    figures |= {"rows_read": report.before.rows, "rows_aside": report.aside.rows}
    for name, value in figures.items():
        progress.result(name, value)
    store = os.environ.get("LLMOS_ARTIFACTS")
    if not store:
        progress.artifact(asked.dataset, place)
        return
    progress.phase("publishing")
    licences = ", ".join(sorted({source.licence for source in asked.sources}))
    line = publish_and_describe(
        store,
        place,
        asked.dataset,
        "dataset",
        parents=parents,
        metrics={name: float(value) for name, value in figures.items()},
        tags={"licence": licences},
    )
    progress.register(line)
    print(f"registered as {asked.dataset}, {line.digest}")


def _check_any(accounts: Sequence[ShardAccount], shards: Path) -> None:
    """Nothing, if some row was left by the steps that need no others."""
    if any(account.after.rows for account in accounts):
        return
    aside = _first_aside(accounts, shards)
    steps = [step for step in added(accounts, 0) if step.name != "read"]
    lost = max(steps, key=lambda step: step.before - step.after, default=None)
    if not any(account.before.rows for account in accounts):
        why = f"none could be used: {aside}" if aside else "the files hold none"
    elif lost is None:
        why = "no step says why"
    else:
        most = max(lost.counts, key=lost.counts.__getitem__, default="")
        why = f"step {lost.name} dropped {lost.before - lost.after} ({most})"
    raise SpecError(f"$.prepare.sources: no row is left; {why}")


def _first_aside(accounts: Sequence[ShardAccount], shards: Path) -> str:
    for account in accounts:
        if account.aside:
            with (shards / f"{account.shard:05}.jsonl").open("rb") as file:
                row = msgspec.json.decode(file.readline())
            return f"{row['place']} {row['why']}"
    return ""


def _gather_aside(accounts: Sequence[ShardAccount], shards: Path, path: Path) -> None:
    with path.open("wb") as out:
        for account in accounts:
            with (shards / f"{account.shard:05}.jsonl").open("rb") as file:
                shutil.copyfileobj(file, out)


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _print(report: Report) -> None:
    print(f"\n{'step':<16}{'in':>10}{'out':>10}{'changed':>10}{'seconds':>10}")
    for step in report.steps:
        print(_line(step))
    if report.aside.rows:
        print(f"\n{report.aside.rows:,} rows kept aside, see {ASIDE} in the dataset:")
        for why, count in report.aside.reasons.items():
            print(f"{count:>10,}  {why}")
    print()
    for name, shape in report.parts.items():
        print(f"{name:<16}{shape.rows:>10,} rows, {shape.characters:,} characters")


def _line(step: StepAccount) -> str:
    counts = "".join(f"{count:>10,}" for count in (step.before, step.after, step.changed))
    return f"{step.name:<16}{counts}{step.seconds:>10.2f}"
