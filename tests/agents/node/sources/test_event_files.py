"""TensorBoard's event files: a real one, half-written ones, hostile ones."""

import contextlib
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.agents.node.reports.progress import Metric
from llmos.agents.node.sources.crc32c import crc32c, masked_crc32c
from llmos.agents.node.sources.points import CHUNK
from llmos.agents.node.sources.protobuf import Malformed, fields
from llmos.agents.node.sources.tensorboard import TRIES, EventFile, scalars
from llmos.tests.agents.node.sources.reading import all_of, as_it_grows

REAL = Path(__file__).parent / "data/events.out.tfevents.1795462457.host.11649.0"


def record(data: bytes) -> bytes:
    size = struct.pack("<Q", len(data))
    return b"".join(
        [size, struct.pack("<I", masked_crc32c(size)), data, struct.pack("<I", masked_crc32c(data))]
    )


def event(tag: str, value: float, step: int, time: float = 5.0) -> bytes:
    """Of one scalar; step and sizes below 128."""
    scalar = b"\x0a" + bytes([len(tag)]) + tag.encode() + b"\x15" + struct.pack("<f", value)
    summary = b"\x0a" + bytes([len(scalar)]) + scalar
    return (
        b"".join(
            [
                b"\x09",
                struct.pack("<d", time),
                b"\x10",
                bytes([step]),
                b"\x2a",
                bytes([len(summary)]),
            ]
        )
        + summary
    )


def figures(lines: list[Metric]) -> list[tuple[object, str]]:
    """One by one: how they share lines depends on what could be read at once."""
    return [(line.values["step"], name) for line in lines for name in line.values if "/" in name]


def test_the_checksum_is_castagnolis():
    assert crc32c(b"123456789") == 0xE3069283  # the check value of RFC 3720's polynomial
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, appendix B.4


def test_a_real_file():
    lines = all_of(EventFile(str(REAL)))
    steps = [line.values for line in lines]
    assert [values["step"] for values in steps] == list(range(1, 21))
    assert [values["train/loss"] for values in steps] == pytest.approx(
        [4 / n for n in range(1, 21)]
    )
    assert all(values["train/learning_rate"] == pytest.approx(1e-3) for values in steps)
    assert all(1795462000 < float(values["t"]) < 1795463000 for values in steps)  # type: ignore[arg-type]
    last = steps[-1]
    assert (last["eval/loss"], last["new/style"], last["new/double"]) == (None, 2.5, 1.25)
    assert "weights" not in last


@settings(max_examples=40)
@given(cuts=st.lists(st.integers(1, 900), max_size=30))
def test_however_a_file_grows_each_figure_is_read_once(tmp_path_factory, cuts):
    path = tmp_path_factory.mktemp("grows") / "events"
    reader = EventFile(str(path))
    read = as_it_grows(reader, path, REAL.read_bytes(), cuts)
    assert figures(read) == figures(all_of(EventFile(str(REAL))))
    assert reader.bad == 0


@given(st.binary(max_size=400))
def test_hostile_bytes_end_as_malformed_or_as_figures(data):
    for read in (fields, scalars):
        with contextlib.suppress(Malformed):
            list(read(data))


@settings(max_examples=60)
@given(events=st.lists(st.binary(max_size=90) | st.just(event("a", 1.5, 3)), max_size=8))
def test_a_bad_record_costs_itself_alone(tmp_path_factory, events):
    path = tmp_path_factory.mktemp("hostile") / "events"
    path.write_bytes(b"".join(map(record, [*events, event("last", 2.5, 9)])))
    assert all_of(EventFile(str(path)))[-1].values == {"t": 5.0, "step": 9, "last": 2.5}


@settings(max_examples=60)
@given(st.binary(max_size=2000))
def test_any_file_comes_to_an_end(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "events"
    path.write_bytes(data)
    all_of(EventFile(str(path)))


def test_a_changed_byte_is_not_believed(tmp_path: Path):
    data = bytearray(record(event("a", 1.5, 3)) + record(event("b", 2.5, 4)))
    data[-6] ^= 1
    path = tmp_path / "events"
    path.write_bytes(data)
    reader = EventFile(str(path))
    assert [line.values["step"] for line in reader.read()] == [3]
    assert reader.bad == 1


def test_huge_records_are_passed_over_unread(tmp_path: Path):
    path = tmp_path / "events"
    with path.open("wb") as file:
        file.write(record(event("a", 1.5, 3)))
        size = struct.pack("<Q", 2**33)
        file.write(size + struct.pack("<I", masked_crc32c(size)))
        file.seek(2**33 + 4, 1)
        file.write(record(event("b", 2.5, 4)))
    assert [line.values["step"] for line in all_of(EventFile(str(path)))] == [3, 4]


def test_many_chunks(tmp_path: Path):
    one = record(event("loss", 0.5, 7))
    path = tmp_path / "events"
    count = 2 * CHUNK // len(one) + 10
    path.write_bytes(one * count)
    assert sum("loss" in line.values for line in all_of(EventFile(str(path)))) == count


def test_a_damaged_file_is_given_up_and_a_late_one_is_not(tmp_path: Path):
    path = tmp_path / "events"
    path.write_bytes(bytes(100))
    reader = EventFile(str(path))
    assert reader.read() == []
    path.write_bytes(record(event("a", 1.5, 3)))
    assert len(reader.read()) == 1
    with path.open("ab") as file:
        file.write(b"x" * 100)
    for _ in range(2 * TRIES):
        assert reader.read() == []
    assert (reader.bad, reader.behind) == (1, False)


def test_only_regular_files_are_read(tmp_path: Path):
    os.mkfifo(tmp_path / "events")
    assert all_of(EventFile(str(tmp_path / "events"))) == []
    assert all_of(EventFile("/dev/zero")) == []
    assert all_of(EventFile(str(tmp_path / "none"))) == []
