"""The last known picture: saved, painted again, and never in the way."""

from pathlib import Path

import numpy as np
import pytest

from llmos.agents.fleet.store import Store
from llmos.agents.protocol.fields import GPU_FIELDS, Field
from llmos.agents.protocol.frames import Frame, Kind
from llmos.console.picture import SAMPLES, Picture
from llmos.tests.agents.fleet.told import gpu, hello, node, sample


def keep(picture: Picture, *frames: Frame) -> None:
    for frame in frames:
        picture.keep(frame)


def taken(number: int) -> Frame:
    figures = [gpu(0, 0, power=number), gpu(0, 1, fan=0)]
    return sample([{"slot": 0, "cpu": 7}], figures, seq=number, wall=1000.0 + number)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "last-picture"


@pytest.fixture
def saved(path: Path) -> Path:
    picture = Picture(path)
    keep(picture, hello(), node(gpus=2), *map(taken, range(1, SAMPLES + 11)), Frame(Kind.BEAT))
    picture.save()
    return path


def test_a_saved_picture_paints_the_present_and_the_last_minute(saved: Path):
    store = Store()
    assert Picture(saved).load(store)
    assert store.facts[0].node == "n0"
    np.testing.assert_array_equal(store.gpus["power"], [SAMPLES + 10, np.nan])
    np.testing.assert_array_equal(store.gpus["fan"], [np.nan, 0])
    assert store.gpu_history.curve("power", 0).tolist() == list(range(11, SAMPLES + 11))
    assert store.sampled == 1000.0 + SAMPLES + 10


def test_a_reader_goes_on_where_the_picture_ends(saved: Path):
    store = Store()
    Picture(saved).load(store)
    assert store.hello is not None
    assert (store.hello.boot, store.seq) == ("boot", SAMPLES + 10)


def test_the_newest_facts_of_each_node_are_kept(path: Path):
    picture = Picture(path)
    keep(picture, hello(), node(0), node(1), node(0, hostname="renamed"), taken(1))
    picture.save()
    store = Store()
    assert Picture(path).load(store)
    assert [facts.hostname for facts in store.facts.values()] == ["renamed", "host1"]


def test_nothing_is_written_before_there_is_something_to_see(path: Path):
    picture = Picture(path)
    picture.save()
    keep(picture, hello(), node())
    picture.save()
    assert not path.exists()


def test_samples_of_an_agent_with_other_fields_are_left_out(path: Path):
    fields = (*GPU_FIELDS, Field("npu", "B", 1, "%", "NPU"))
    picture = Picture(path)
    keep(picture, hello(), node(gpus=1), taken(1), taken(2))
    keep(picture, hello("again"), taken(3))
    keep(picture, hello("updated", gpu_fields=fields), node(gpus=1))
    keep(picture, sample([], [gpu(0, 0, power=5)], wall=9.0, gpu_fields=fields))
    picture.save()
    store = Store()
    assert Picture(path).load(store)
    assert store.gpu_history.curve("power", 0).tolist() == [5]


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[:20],
        lambda whole: b"\x00" * len(whole),
        lambda whole: b"not a picture at all, but some text that is long enough",
        lambda whole: hello(protocol=99).encode() + whole,
        lambda whole: whole[: len(hello().encode()) // 2] + whole[len(hello().encode()) :],
    ],
    ids=["empty", "cut", "zeros", "text", "another protocol", "damaged hello"],
)
def test_a_damaged_picture_is_ignored(saved: Path, damage):
    saved.write_bytes(damage(saved.read_bytes()))
    store = Store()
    assert not Picture(saved).load(store)
    store.apply(hello())
    store.apply(node(gpus=2))
    store.apply(taken(5))
    assert store.gpus["power"][0] == 5


def test_no_picture_and_no_folder_to_save_it(tmp_path: Path):
    picture = Picture(tmp_path / "missing" / "last-picture")
    assert not picture.load(Store())
    keep(picture, hello(), node(), taken(1))
    picture.save()
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_replaced_leaves_nothing_beside_it(path: Path):
    path.mkdir()
    picture = Picture(path)
    keep(picture, hello(), node(), taken(1))
    picture.save()
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
