"""Samples with labels: what is set aside, what is refused, and how parts are kept apart."""

from pathlib import Path

import numpy as np
import pytest

from llmos.agents.errors import SpecError
from llmos.engine.train.labelled import (
    carved,
    digits,
    from_folder,
    image_reader,
    read_text,
    told_aside,
)
from llmos.engine.train.spec import Data
from llmos.tests.engine.train.labelledsets import pictures, reviews, write_dataset


def test_digits_come_in_three_parts_with_nothing_in_common() -> None:
    made = digits(Data(source="sklearn:digits", held_out=0.15), 8)
    parts = made.training, made.validation, made.test
    sizes = [len(part.ids) for part in parts]
    assert sum(sizes) == 1797
    assert sizes[1] == pytest.approx(sizes[2], abs=5) == pytest.approx(0.15 * 1797, abs=5)
    assert len(set().union(*(part.ids for part in parts))) == 1797
    assert made.labels == list("0123456789")
    assert {part.values[0].shape for part in parts} == {(8, 8, 3)}
    assert all(np.bincount(part.labels).min() > 20 for part in parts)


def test_the_same_seed_carves_the_same_and_each_class_alike() -> None:
    labels = np.repeat([0, 1, 2], [100, 40, 2])
    one, again, other = (carved(labels, 0.25, seed) for seed in (3, 3, 4))
    assert (one == again).all()
    assert (one != other).any()
    assert [int(one[labels == label].sum()) for label in range(3)] == [25, 10, 0]


def test_broken_samples_are_set_aside_by_name(tmp_path: Path) -> None:
    whole = pictures(6)
    broken = [
        (whole[0][0][:60], "dark"),
        (b"no image", "dark"),
        (None, "dark"),
        (whole[1][0], None),
    ]
    folder = write_dataset(
        tmp_path / "set",
        "image",
        {"train": whole + broken, "test": pictures(4)},
        ["bright", "dark"],
    )
    made = from_folder(Data(source=str(folder)), "image", bytes, image_reader(8), 2)
    assert len(made.training.ids) + len(made.validation.ids) == 6
    assert [line.split(": ")[1] for line in made.aside] == [
        "a broken image", "a broken image", "no image", "no label",
    ]  # fmt: skip
    assert all(line.startswith("train ") for line in made.aside)
    assert told_aside(made.aside).startswith("4 samples set aside:\n  train ")
    assert told_aside([]) == ""
    assert [parent.role for parent in made.parents] == ["data"]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ([("a", "good"), ("b", "great")], 'label "great" is none of the dataset\'s: good, bad'),
        ([("a", "good"), ("b", "good")], 'all training samples are "good"; there is nothing'),
        ([(" ", "good"), ("", "bad")], 'nothing in "train" can be used: '),
        ([("a", "good"), ("b", "bad")], "expected at most the 2 samples that can be learned"),
    ],
)
def test_what_cannot_be_learned_from(
    tmp_path: Path, train: list[tuple[str, str | None]], message: str
) -> None:
    parts = {"train": train, "valid": reviews(2), "test": reviews(2)}
    folder = write_dataset(tmp_path / "set", "text", parts, ["good", "bad"])
    with pytest.raises(SpecError) as refused:
        from_folder(Data(source=str(folder)), "text", str, read_text, 4)
    assert message in str(refused.value)


def test_rows_that_are_missing_are_told(tmp_path: Path) -> None:
    parts = {"train": reviews(4), "test": reviews(2)}
    folder = write_dataset(tmp_path / "set", "text", parts, ["good", "bad"])
    described = folder / "dataset.json"
    described.write_text(described.read_text().replace('"rows": 4', '"rows": 5'))
    with pytest.raises(SpecError, match=r'expected 5 rows in "train", found 4; prepare it again'):
        from_folder(Data(source=str(folder)), "text", str, read_text, 2)


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    parts = {"train": reviews(4), "test": reviews(2)}
    folder = write_dataset(tmp_path / "set", "text", parts, ["good", "bad"])
    (folder / "train-00000.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(SpecError, match=r"train-00000\.parquet: cannot be read: "):
        from_folder(Data(source=str(folder)), "text", str, read_text, 2)
