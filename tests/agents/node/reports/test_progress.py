"""Lines of ranks, good and hostile."""

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmos.agents.node.reports.progress import (
    CHUNK,
    LINE_LIMIT,
    Artifact,
    Metric,
    Other,
    Phase,
    Result,
    Tail,
    advance,
    advance_by_names,
    names_loss,
    parse,
    whole,
)
from llmos.agents.protocol.artifacts import ArtifactLine
from llmos.agents.protocol.jobs import Progress

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)
LINES = st.one_of(
    st.binary(max_size=80),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.builds(
        lambda what, rest: json.dumps({**rest, "what": what}).encode(),
        st.sampled_from(["metric", "result", "artifact", "phase", "rank", 7, None, []]),
        st.dictionaries(
            st.sampled_from(
                ["step", "loss", "t", "name", "value", "path", "phase", "tokens", "dt"]
            ),
            JSON,
        ),
    ),
).map(lambda line: line.replace(b"\n", b" "))


MADE = ArtifactLine(
    name="model", kind="model", digest=f"sha256:{'a' * 64}", uri="file:///a", metrics={"loss": 1.5}
)


def registered(**other: object) -> bytes:
    """The line that registers MADE, or one that differs in some keys."""
    said = {"what": "artifact"} | msgspec.to_builtins(MADE) | other
    return json.dumps(said).encode()


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        (b'{"what": "metric", "step": 1, "loss": 2.5}', Metric({"step": 1, "loss": 2.5})),
        (b'{"what": "metric", "loss": NaN, "x": Infinity}', Metric({"loss": None, "x": None})),
        (b'{"what": "metric", "loss": null, "a": [1]}', Metric({"loss": None})),
        (b'{"what": "result", "name": "f1", "value": 0.5}', Result("f1", 0.5)),
        (b'{"what": "artifact", "name": "model", "path": "/m"}', Artifact("model", "/m")),
        (registered(metrics={"f1": math.nan, "loss": 1.5}), MADE),
        (registered(digest="sha256:12"), None),
        (registered(size=-1), None),
        (registered(metrics={"f1": "high"}), None),
        (registered(code="\ud800"), None),
        (b'{"what": "artifact", "name": "m", "path": "/m", "digest": null}', None),
        (b'{"what": "phase", "t": 1, "phase": "tokenizing"}', Phase("tokenizing")),
        (b'{"what": "rank", "rank": 0}', Other()),
        (b'{"what": "result", "name": "f1"}', None),
        (b'{"what": "result", "name": "f1", "value": {}}', None),
        (b'{"step": 1}', None),
        (b"[1]", None),
        (b"[" * 60_000, None),
        (b"loss 2.5", None),
        (b"\xff\xfe", None),
    ],
)
def test_a_line_means_this(line: bytes, meaning: object):
    assert parse(line) == meaning


@given(LINES)
def test_whatever_a_line_means_can_be_sent_on(line: bytes):
    meaning = parse(line)
    if meaning is not None:
        msgspec.json.encode(meaning)
        msgspec.msgpack.encode(meaning)
        progress = Progress()
        advance(progress, meaning)
        msgspec.msgpack.encode(progress)


@settings(max_examples=50)
@given(lines=st.lists(LINES, max_size=12), cuts=st.lists(st.integers(1, 60), max_size=30))
def test_however_lines_arrive_each_is_read_once(tmp_path_factory, lines, cuts):
    whole = [line for line in lines if line.strip()]
    expected = [meaning for line in whole if (meaning := parse(line)) is not None]
    data = b"".join(line + b"\n" for line in whole)
    path: Path = tmp_path_factory.mktemp("tail") / "rank-0.jsonl"
    tail = Tail(path)
    read = tail.read()
    with path.open("ab", 0) as file:
        for cut in cuts:
            file.write(data[:cut])
            data = data[cut:]
            read += tail.read()
        file.write(data)
    read += tail.read()
    assert repr(read) == repr(expected)
    assert tail.bad == len(whole) - len(expected)


def test_a_line_without_an_end_is_left_until_it_has_one(tmp_path: Path):
    path = tmp_path / "rank-0.jsonl"
    tail = Tail(path)
    path.write_bytes(b'{"what": "phase", "phase": "a"}\n{"what": "ph')
    assert tail.read() == [Phase("a")]
    assert tail.read() == []
    with path.open("ab") as file:
        file.write(b'ase", "phase": "b"}\n')
    assert tail.read() == [Phase("b")]
    assert (tail.bad, tail.behind) == (0, False)


@pytest.mark.parametrize("size", [LINE_LIMIT + 10, CHUNK + 10, 3 * CHUNK])
def test_an_endless_line_is_passed_over(tmp_path: Path, size: int):
    path = tmp_path / "rank-0.jsonl"
    path.write_bytes(b"x" * size)
    tail = Tail(path)
    found = [line for _ in range(5) for line in tail.read()]
    with path.open("ab") as file:
        file.write(b'x\n{"what": "phase", "phase": "after"}\n')
    found += [line for _ in range(2) for line in tail.read()]
    assert found == [Phase("after")]
    assert tail.bad == 1


def test_a_tail_from_the_end_reads_only_what_comes(tmp_path: Path):
    path = tmp_path / "rank-1.jsonl"
    path.write_bytes(b'{"what": "phase", "phase": "before"}\n')
    tail = Tail.from_end(path)
    with path.open("ab") as file:
        file.write(b'{"what": "phase", "phase": "after"}\n')
    assert tail.read() == [Phase("after")]


def test_progress_is_what_was_said_last():
    progress = Progress()
    advance(progress, Metric({"step": 3, "steps": 9, "loss": 1.5, "tokens": 50, "dt": 0.5}))
    advance(progress, Phase("saving"))
    expected = Progress(step=3, steps=9, loss=1.5, tokens_per_second=100, phase="saving")
    assert progress == expected
    advance(progress, Metric({"step": 4, "loss": None, "tokens": 50, "dt": 0}))
    assert (progress.step, progress.loss, progress.tokens_per_second) == (4, None, 100)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"step": 3, "train/loss": 1.5}, Progress(step=3, loss=1.5)),
        ({"step": 3, "Loss/train": 1.5}, Progress(step=3, loss=1.5)),
        ({"step": 3, "train_loss": None}, Progress(step=3)),
        ({"trainer/global_step": 7.0, "val_loss": 2}, Progress(step=7)),
        ({"max_steps": 9, "tokens_per_sec": 5}, Progress(steps=9, tokens_per_second=5.0)),
        ({"step": 1e300, "eval/loss": 2, "learning_rate": 1}, Progress()),
    ],
)
def test_common_names_are_understood(values: dict[str, Any], expected: Progress):
    progress = Progress()
    advance_by_names(progress, Metric(values))
    assert progress == expected


def test_only_the_loss_in_training_is_the_loss():
    assert names_loss(Metric({"loss": None}))
    assert names_loss(Metric({"Train Loss": 2.0}))
    assert not names_loss(Metric({"eval_loss": 2.0, "lossless": 1.0}))


@given(st.floats() | st.integers() | st.text() | st.none())
def test_a_whole_number_can_be_sent_on(value):
    msgspec.msgpack.encode(whole(value))
