"""Whatever a sender says, a store takes it in, quarantines it or refuses it in one line."""

import copy
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.agents.errors import AgentIncompatible, FrameError
from llmos.agents.fleet.store import GPUS_PER_NODE, NODES, Store
from llmos.agents.protocol.facts import PROTOCOL
from llmos.agents.protocol.fields import GPU_FIELDS, NODE_FIELDS, Field
from llmos.agents.protocol.frames import Frame, Kind
from llmos.tests.agents.fleet.told import gpu, hello, node, packed, sample


def filled() -> Store:
    store = Store()
    for frame in (hello(), node(gpus=2), sample([{"slot": 0, "cpu": 5}], [gpu(0, 0, fan=1)])):
        store.apply(frame)
    return store


def state(store: Store) -> dict[str, Any]:
    """All that a store holds, apart from when it last heard something."""
    held = {key: value for key, value in vars(store).items() if not callable(value)}
    held["nodes"] = {name: store.nodes[name].tolist() for name in store.nodes.names}
    held["gpus"] = {name: store.gpus[name].tolist() for name in store.gpus.names}
    held["node_history"] = store.node_history.times().tolist()
    held["gpu_history"] = store.gpu_history.times().tolist()
    held["_node_decoder"] = store._node_decoder.fields
    held["_gpu_decoder"] = store._gpu_decoder.fields
    for name in ("_first_row", "_row_count", "_row_room", "_slot_of_row"):
        held[name] = held[name].tolist()
    return copy.deepcopy(held)


def refuses(frame: Frame, error: type[Exception] = FrameError) -> str:
    """The one line with which a store refuses a frame, and is then as it was before."""
    store = filled()
    before = state(store)
    with pytest.raises(error) as raised:
        store.apply(frame)
    np.testing.assert_equal(state(store), before)
    assert "\n" not in str(raised.value)
    store.apply(sample([], [gpu(0, 1, fan=7)]))
    assert store.gpus["fan"][1] == 7
    return str(raised.value)


OF_NODES = NODE_FIELDS
OF_GPUS = GPU_FIELDS


@pytest.mark.parametrize(
    "tables",
    [
        {"node_fields": ()},
        {"gpu_fields": ()},
        {"node_fields": OF_NODES[1:]},
        {"gpu_fields": OF_GPUS[1:]},
        {"gpu_fields": (OF_GPUS[0], *OF_GPUS[2:])},
        {"gpu_fields": (*OF_GPUS, OF_GPUS[5])},
        {"node_fields": (*OF_NODES, Field("x", "Q", 1, "", "X"))},
        {"node_fields": (*OF_NODES, Field("x", "f", 1, "", "X"))},
        {"gpu_fields": (*OF_GPUS, Field("x", "", 1, "", "X"))},
        {"gpu_fields": (*OF_GPUS, Field("", "B", 1, "", "X"))},
        {"node_fields": (*OF_NODES, Field("x", "B", float("nan"), "", "X"))},
    ],
)
def test_tables_that_describe_no_records_are_refused(tables: dict[str, Any]):
    assert "a table of fields" in refuses(hello("other", **tables))


@pytest.mark.parametrize("protocol", [PROTOCOL + 2, 99, -9])
def test_another_protocol_is_told_what_to_do(protocol: int):
    assert "install the same llmos" in refuses(hello(protocol=protocol), AgentIncompatible)


def test_one_protocol_apart_is_read():
    store = filled()
    store.apply(hello(protocol=PROTOCOL + 1))
    assert store.hello is not None
    assert store.hello.protocol == PROTOCOL + 1


@pytest.mark.parametrize("cut", [0, 1, 10, -1, -10])
def test_truncated_samples_are_refused(cut: int):
    whole = sample([{"slot": 0}, {"slot": 0}], [gpu(0, 0), gpu(0, 1)])
    refuses(Frame(Kind.SAMPLE, whole.payload[:cut], wall=1.0))


def test_a_node_with_ten_thousand_gpus_is_refused():
    assert "claims 10000 GPUs" in refuses(node(1, gpus=10_000))
    refuses(node(0, gpus=GPUS_PER_NODE + 1))


def test_as_many_gpus_as_can_be_named_are_taken():
    store = filled()
    store.apply(node(1, gpus=GPUS_PER_NODE))
    store.apply(sample([], [gpu(1, GPUS_PER_NODE - 1, fan=9)]))
    assert store.gpus["fan"][store.rows(1)[-1]] == 9


@pytest.mark.parametrize("slot", [-1, NODES, 10**9, 2**62])
def test_a_slot_that_none_can_have_is_refused(slot: int):
    refuses(node(slot))


@pytest.mark.parametrize("index", [-1, -(10**9), 10**9])
def test_a_row_that_no_gpu_can_have_is_refused(index: int):
    refuses(odd_row(index))


def odd_row(index: int) -> Frame:
    facts = msgspec.msgpack.decode(node(gpus=1).payload)
    facts["gpus"][0]["index"] = index
    return packed(Kind.FACTS, facts)


@pytest.mark.parametrize("kind", [k for k in Kind if k not in (Kind.BEAT, Kind.SAMPLE)])
@pytest.mark.parametrize(
    "payload",
    [b"", b"\xc1", b"\x80", b"\x93\x01", b"null", b"\x91" * 100_000, bytes(64)],
    ids=["empty", "reserved", "no keys", "cut", "text", "deep", "zeros"],
)
def test_payloads_that_are_none_of_their_kind_are_refused(kind: Kind, payload: bytes):
    assert f"a damaged {kind.name} frame" in refuses(Frame(kind, payload))


@given(st.sampled_from(list(Kind)), st.binary(max_size=200))
def test_random_payloads_raise_nothing_but_frame_errors(kind: Kind, payload: bytes):
    store = filled()
    try:
        store.apply(Frame(kind, payload))
    except FrameError:
        assert store.gpus["fan"][0] == 1


numbers = st.integers(-(2**63), 2**64 - 1) | st.floats() | st.none()
odd = st.recursive(
    numbers | st.text(max_size=5) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.sampled_from([Kind.HELLO, Kind.FACTS, Kind.DETAIL, Kind.EVENT, Kind.GAP]), st.data())
def test_one_odd_value_in_a_good_frame_raises_nothing_but_our_errors(kind: Kind, data):
    good = {
        Kind.HELLO: hello(),
        Kind.FACTS: node(gpus=2),
        Kind.DETAIL: packed(Kind.DETAIL, {"slot": 0, "cores": [1.0]}),
        Kind.EVENT: packed(
            Kind.EVENT, {"time": 1.0, "node": "n", "source": "s", "what": "w", "text": "t"}
        ),
        Kind.GAP: packed(Kind.GAP, {"first": 1, "last": 2}),
    }
    content = msgspec.msgpack.decode(good[kind].payload)
    content[data.draw(st.sampled_from(sorted(content)))] = data.draw(odd)
    store = filled()
    try:
        store.apply(packed(kind, content))
    except (FrameError, AgentIncompatible):
        store.apply(sample([], [gpu(0, 1, fan=7)]))
        assert store.gpus["fan"].tolist() == [1, 7]
