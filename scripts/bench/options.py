"""The options that all the scripts have."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from llmos.scripts.bench import peers, programs

ALL_PEERS = ("nvtop", *peers.PEERS)


def parser(description: str | None, others: tuple[str, ...] = ALL_PEERS) -> argparse.ArgumentParser:
    """A parser of what is measured, and of where the figures go."""
    made = argparse.ArgumentParser(description=description)
    llmos = Path(sys.executable).parent / "llmos"
    made.add_argument("--llmos", default=str(llmos), help="the console's command")
    made.add_argument("--peers", nargs="*", default=list(others), choices=others, metavar="PEER")
    made.add_argument("--peers-folder", type=Path, default=peers.FOLDER)
    made.add_argument("--size", default="120x40", help="of the terminal, COLUMNSxLINES")
    made.add_argument("--json", type=Path, help="write the figures there, too")
    return made


def size(options: argparse.Namespace) -> tuple[int, int]:
    """Columns and lines."""
    columns, _, lines = options.size.partition("x")
    return int(columns), int(lines)


def measured(options: argparse.Namespace) -> list[programs.Program]:
    """llmos first, then the peers."""
    ours = programs.llmos(shlex.split(options.llmos))
    return [ours, *peers.chosen(options.peers_folder, options.peers)]
