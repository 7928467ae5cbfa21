"""W&B's run files: a real one, half-written ones, hostile ones."""

import contextlib
import json
import struct
import zlib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.agents.node.reports.progress import Metric
from llmos.agents.node.sources.protobuf import Malformed
from llmos.agents.node.sources.wandb import BLOCK, MAGIC, RECORD_LIMIT, RunFile, history
from llmos.tests.agents.node.sources.reading import all_of, as_it_grows

REAL = Path(__file__).parent / "data/run-fixture1.wandb"


def field(number: int, data: bytes) -> bytes:
    tag, size = number << 3 | 2, b""
    length = len(data)
    while length >= 128:
        size += bytes([length & 127 | 128])
        length >>= 7
    head = bytes([tag & 127 | 128, tag >> 7]) if tag > 127 else bytes([tag])
    return head + size + bytes([length]) + data


def said(**values: object) -> bytes:
    """A record of history."""
    items = [
        field(1, field(2, name.encode()) + field(16, json.dumps(value).encode()))
        for name, value in values.items()
    ]
    return field(2, b"".join(items))


def log(records: list[bytes]) -> bytes:
    """A run file as LevelDB's writer makes it."""
    data = MAGIC
    for record in records:
        kind_of_first, rest = True, record
        while True:
            left = BLOCK - len(data) % BLOCK
            if left < 7:
                data += bytes(left)
                continue
            part, rest = rest[: left - 7], rest[left - 7 :]
            kind = (1 if not rest else 2) if kind_of_first else (4 if not rest else 3)
            checksum = zlib.crc32(part, zlib.crc32(bytes([kind])))
            data += struct.pack("<IHB", checksum, len(part), kind) + part
            kind_of_first = False
            if not rest:
                break
    return data


def test_a_real_file():
    lines = [line.values for line in all_of(RunFile(str(REAL)))]
    assert [values["step"] for values in lines] == [10 * n for n in range(1, 13)]
    assert [values["train/loss"] for values in lines] == [4 / n for n in range(1, 13)]
    assert [values["nested.a.b"] for values in lines] == list(range(12))
    assert lines[3]["odd"] is None
    assert lines[4]["odd"] == 2**40
    assert all(1795462000 < float(values["t"]) < 1795463000 for values in lines)  # type: ignore[arg-type]
    names = {name for values in lines for name in values}
    assert names == {"t", "step", "train/loss", "nested.a.b", "odd"}


@settings(max_examples=40)
@given(cuts=st.lists(st.integers(1, 900), max_size=30))
def test_however_a_file_grows_each_line_is_read_once(tmp_path_factory, cuts):
    path = tmp_path_factory.mktemp("grows") / "run.wandb"
    reader = RunFile(str(path))
    read = as_it_grows(reader, path, REAL.read_bytes(), cuts)
    assert read == all_of(RunFile(str(REAL)))
    assert reader.bad == 0


def test_records_over_many_blocks(tmp_path: Path):
    path = tmp_path / "run.wandb"
    text = "x" * 100_000
    path.write_bytes(log([said(_step=n, loss=n / 2, text=text) for n in range(20)]))
    assert [line.values for line in all_of(RunFile(str(path)))] == [
        {"step": n, "loss": n / 2} for n in range(20)
    ]


@settings(max_examples=30)
@given(sizes=st.lists(st.integers(0, 40_000), max_size=6))
def test_wherever_blocks_end(tmp_path_factory, sizes):
    path = tmp_path_factory.mktemp("blocks") / "run.wandb"
    path.write_bytes(log([said(_step=n, a=n, text="x" * size) for n, size in enumerate(sizes)]))
    assert [line.values["a"] for line in all_of(RunFile(str(path)))] == list(range(len(sizes)))


def test_damage_costs_its_block_alone(tmp_path: Path):
    path = tmp_path / "run.wandb"
    data = bytearray(log([said(_step=n, a=n, text="x" * 1000) for n in range(100)]))
    data[BLOCK + 5000] ^= 255
    path.write_bytes(data)
    steps = [int(line.values["a"] or 0) for line in all_of(RunFile(str(path)))]
    assert len(steps) > 60
    assert steps == sorted(set(steps) & set(range(100)))
    assert {0, 99} <= set(steps)


def test_a_record_without_an_end_is_not_kept(tmp_path: Path):
    path = tmp_path / "run.wandb"
    path.write_bytes(log([said(_step=1, text="x" * (RECORD_LIMIT + 10)), said(_step=2, a=5)]))
    assert [line.values for line in all_of(RunFile(str(path)))] == [{"step": 2, "a": 5}]


@settings(max_examples=80)
@given(st.binary(max_size=3000), st.booleans())
def test_any_file_comes_to_an_end(tmp_path_factory, data, sound_head):
    path = tmp_path_factory.mktemp("any") / "run.wandb"
    path.write_bytes(MAGIC + data if sound_head else data)
    all_of(RunFile(str(path)))


@given(st.binary(max_size=200))
def test_hostile_records(data):
    for record in (data, field(2, data), field(2, field(1, data)), field(2, field(2, data))):
        with contextlib.suppress(Malformed):
            history(record)


def test_what_is_no_number_is_no_figure():
    line = history(said(_step=4, a=1, b="2", c=[3], d={"e": 4}, f=True, g=None, h=float("nan")))
    assert line == Metric({"step": 4, "a": 1, "h": None})
    assert history(said(_step=4, b="2")) is None
    assert history(said(_step=1e300, a=1)) == Metric({"a": 1})
    assert history(field(17, b"run")) is None


def test_a_file_of_another_kind_or_version_is_left_alone(tmp_path: Path):
    path = tmp_path / "run.wandb"
    path.write_bytes(MAGIC[:-1] + b"\x01" + bytes(100))
    reader = RunFile(str(path))
    assert reader.read() == reader.read() == []
    assert reader.bad == 1
