"""The payload of a sample, whole and damaged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.agents.errors import FrameError
from llmos.agents.protocol.fields import GPU_FIELDS, GPU_RECORD, NODE_FIELDS, NODE_RECORD
from llmos.agents.protocol.samples import pack_sample, split_sample, unpack_sample


def rows(fields):
    small = {field.name: st.none() | st.integers(0, 100) for field in fields if field.scale == 1}
    return st.lists(st.fixed_dictionaries(small), max_size=4)


@given(rows(NODE_FIELDS), rows(GPU_FIELDS))
def test_nodes_and_gpus_come_back(nodes, gpus):
    read_nodes, read_gpus = unpack_sample(pack_sample(nodes, gpus))
    assert [{**row, **node} for row, node in zip(read_nodes, nodes, strict=True)] == read_nodes
    assert [{**row, **gpu} for row, gpu in zip(read_gpus, gpus, strict=True)] == read_gpus


def test_a_truncated_sample_is_refused_wherever_it_is_cut():
    whole = pack_sample([{"slot": 0}], [{"slot": 0, "index": n} for n in range(3)])
    refused = 0
    for length in range(len(whole)):
        try:
            nodes, gpus = split_sample(whole[:length])
        except FrameError:
            refused += 1
            continue
        assert len(nodes) == NODE_RECORD.size
        assert len(gpus) % GPU_RECORD.size == 0
    assert refused == len(whole) - 3  # a cut between two GPUs cannot be told from fewer GPUs


@given(st.binary(max_size=300))
def test_any_bytes_are_whole_records_or_refused(payload: bytes):
    try:
        nodes, gpus = unpack_sample(payload)
    except FrameError:
        return
    assert len(payload) == 2 + len(nodes) * NODE_RECORD.size + len(gpus) * GPU_RECORD.size


def test_more_nodes_than_the_payload_holds_are_refused():
    with pytest.raises(FrameError, match="65535 whole nodes"):
        split_sample(b"\xff\xff" + bytes(40))
