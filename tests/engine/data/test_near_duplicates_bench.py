"""A small sample of scripts/bench/near_duplicates.py, without peers."""

import sys
from pathlib import Path
from pydoc_data.topics import topics

from llmos.engine.data.nearduplicates import Likeness, near_duplicates
from llmos.scripts.bench import near_duplicates as bench
from llmos.scripts.bench import near_duplicates_corpus as corpora


def corpus(folder: Path) -> corpora.Corpus:
    for number, name in enumerate(sorted(topics)):
        text = f"Subject: {name}\n\n{topics[name]}"
        (folder / f"{number:03}.txt").write_text(text, encoding="latin-1", errors="replace")
    return corpora.made(corpora.paragraphs(folder), 1500, 200, seed=1)


def test_what_is_injected_is_near_and_comes_after_its_original(tmp_path: Path) -> None:
    made = corpus(tmp_path)
    assert len(made.texts) == 1700
    assert len(made.injected) == 200
    for pair in made.injected:
        assert pair.original < pair.copy
        sets = (corpora.shingles(made.texts[at]) for at in (pair.original, pair.copy))
        assert corpora.jaccard(*sets) == pair.similarity
    assert corpus(tmp_path) == made


def test_llmos_finds_what_is_injected_through_its_program(tmp_path: Path) -> None:
    mails, work = tmp_path / "mails", tmp_path / "work"
    mails.mkdir()
    work.mkdir()
    made = corpus(mails)
    made.write(work / "in.jsonl")
    ran = bench.run("llmos", Path(sys.executable), work, 0.72)
    assert ran.kept == set(
        near_duplicates(made.texts, Likeness(threshold=0.72)).stays.nonzero()[0].tolist()
    )
    clear = [pair for pair in made.injected if pair.similarity >= 0.8]
    assert len(clear) > 50
    assert bench.missed(ran.kept, clear) <= 2
    dropped = sorted(set(range(1700)) - ran.kept)
    best = corpora.nearest(made.texts, dropped)
    assert sum(similarity >= 0.62 for similarity in best) >= 0.95 * len(best)
