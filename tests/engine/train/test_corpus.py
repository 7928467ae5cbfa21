"""The corpus: prepared once, read alike by every rank, dealt out without overlap."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from llmos.agents.errors import SpecError
from llmos.engine.train.corpus import batches, load, prepare, save
from llmos.engine.train.spec import Data, Model, Tokenizer, Train

SMALL = Train(
    data=Data(source="module:pydoc_data.topics"),
    tokenizer=Tokenizer(vocabulary=400),
    model=Model(context=32),
    batch=4,
)


def test_another_rank_reads_the_same(tmp_path: Path) -> None:
    corpus = prepare(SMALL)
    save(corpus, tmp_path / "data")
    read = load(tmp_path / "data")
    assert np.array_equal(read.training, corpus.training)
    assert np.array_equal(read.held_out, corpus.held_out)
    assert read.tokenizer.to_str() == corpus.tokenizer.to_str()
    assert read.vocabulary == corpus.vocabulary <= 400


def test_text_too_short_for_a_batch_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "short.txt"
    path.write_text("\n\n".join(f"paragraph {n} of the same book" for n in range(1000)))
    data = Data(source=str(path), held_out=0.5)
    with pytest.raises(SpecError, match=r"too short: \d+ tokens .*short\.txt.* 4096 × 1024"):
        prepare(Train(data=data, batch=4096, model=Model(context=1024)))


def test_ranks_together_see_what_one_rank_would() -> None:
    tokens = np.arange(1000, dtype=np.uint32)
    alone = list(islice(batches(tokens, 10, 6, seed=3, rank=0, ranks=1), 40))
    shares = [list(islice(batches(tokens, 10, 6, 3, rank, 3), 40)) for rank in range(3)]
    for whole, *parts in zip(alone, *shares, strict=True):
        assert sorted(whole[:, 0]) == sorted(np.concatenate(parts)[:, 0])
        assert all(part.shape == (2, 11) for part in parts)


def test_windows_are_runs_of_the_stream_and_a_pass_takes_none_twice() -> None:
    tokens = np.arange(1000, dtype=np.uint32)
    one_pass = np.concatenate(list(islice(batches(tokens, 10, 6, 0, 0, 1), 16)))
    assert (np.diff(one_pass, axis=1) == 1).all()
    assert len(np.unique(one_pass[:, 0])) == len(one_pass)


@pytest.mark.parametrize("length", [41, 42, 50, 51, 79])
def test_the_shortest_text_still_gives_whole_batches(length: int) -> None:
    tokens = np.arange(length, dtype=np.uint32)
    for batch in islice(batches(tokens, 10, 4, 0, 0, 1), 50):
        assert batch.shape == (4, 11)
