"""How ranks meet without a process group: by files in the run's folder, each put there whole.

    prepare/plan.json              what rank 0 planned
    prepare/shards/00012.json      …is done, by whichever rank it belongs to

So a rank needs no torch, and what an attempt has done another one finds. An attempt writes below
its own folder only: what an earlier one did is linked into it.
"""

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from .account import ShardAccount
from .plan import Plan
from .shard import read_account

PERIOD: Final = 0.05
"""Seconds between two looks."""

KEPT: Final = (".parquet", ".jsonl", ".json")
"""What there is of a shard; the account last, which makes it whole."""


def publish_plan(plan: Plan, folder: Path) -> None:
    """Lets the other ranks begin."""
    part = folder / "plan.part"
    part.write_bytes(msgspec.json.encode(plan))
    part.replace(folder / "plan.json")


def await_plan(folder: Path) -> Plan:
    """The plan, when rank 0 has made it."""
    path = folder / "plan.json"
    while not path.exists():
        time.sleep(PERIOD)
    return msgspec.json.decode(path.read_bytes(), type=Plan)


def await_accounts(folder: Path, count: int) -> Iterator[ShardAccount]:
    """The accounts of all shards in their order, each as soon as it and those before are there.

    A rank that fails takes the attempt with it, so that nobody waits for it here.
    """
    for number in range(count):
        while (account := read_account(folder / f"{number:05}.json")) is None:
            time.sleep(PERIOD)
        yield account


def forget_rows(folder: Path) -> None:
    """Frees what the shards' rows take, once they stand in the dataset. The accounts stay."""
    for rows in folder.glob("*.parquet"):
        rows.unlink(missing_ok=True)


def earlier_attempts(task: Path, plan: Plan) -> list[Path]:
    """The shard folders of this job's earlier attempts at the same plan, the newest first."""
    own = re.fullmatch(r"a(\d+)", task.name)
    if own is None:
        return []
    folders = []
    for number in range(int(own[1]) - 1, 0, -1):
        folder = task.with_name(f"a{number}") / "prepare"
        with contextlib.suppress(OSError, msgspec.DecodeError):
            made = msgspec.json.decode((folder / "plan.json").read_bytes(), type=Plan)
            if made.digest == plan.digest:
                folders.append(folder / "shards")
    return folders


def taken_over(number: int, shards: Path, earlier: list[Path]) -> bool:
    """Whether a shard is done: here already, or by an earlier attempt from which it is linked.

    A shard that is taken over is marked before it is there, so that rank 0 counts it.
    """
    if (shards / f"{number:05}.json").exists():
        return True
    for folder in earlier:
        if (folder / f"{number:05}.json").exists():
            with contextlib.suppress(FileNotFoundError):
                (shards / f"{number:05}.again").touch()
                for suffix in KEPT:
                    _link(folder / f"{number:05}{suffix}", shards / f"{number:05}{suffix}")
                return True
    return False


def _link(before: Path, after: Path) -> None:
    part = after.with_name(f"{after.name}.link")
    part.unlink(missing_ok=True)
    try:
        os.link(before, part)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without links
        shutil.copyfile(before, part)
    part.replace(after)
