"""Records: every value comes back to within its scale, and absent is not zero."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llmos.agents.protocol.fields import (
    GPU_FIELDS,
    GPU_RECORD,
    NODE_FIELDS,
    NODE_RECORD,
    SIZE,
    THROTTLE_REASONS,
    Field,
    Record,
    throttle_reasons,
)

codes = st.sampled_from(["B", "H", "I"])
scales = st.sampled_from([0.01, 0.1, 0.5, 1.0, 8.0])


@given(codes, scales, st.data())
def test_a_value_in_range_comes_back_to_within_half_a_count(code: str, scale: float, data):
    field = Field("x", code, scale, "", "X")
    value = data.draw(st.floats(0, (field.absent - 1) * scale))
    read = Record([field]).unpack(Record([field]).pack({"x": value}))["x"]
    assert read is not None
    assert abs(read - value) <= scale / 2 + 1e-6 * max(value, 1)


@given(st.dictionaries(st.sampled_from([f.name for f in GPU_FIELDS]), st.integers(0, 200)))
def test_what_is_not_given_is_absent_and_nothing_else_is(values: dict[str, int]):
    read = GPU_RECORD.unpack(GPU_RECORD.pack(values))
    assert {name for name, value in read.items() if value is not None} == values.keys()


@pytest.mark.parametrize("record", [NODE_RECORD, GPU_RECORD])
def test_zero_is_known_and_none_is_not(record: Record):
    zeros = {field.name: 0 for field in record.fields}
    assert record.unpack(record.pack(zeros)) == zeros
    nothing = dict.fromkeys(zeros)
    assert record.unpack(record.pack(nothing)) == nothing
    assert record.unpack(record.pack({})) == nothing


@given(st.sampled_from([*NODE_FIELDS, *GPU_FIELDS]), st.floats())
@example(Field("x", "B", 0.1, "", "X"), 1.7e308)
@example(Field("x", "B", 0.1, "", "X"), -1.7e308)
def test_any_number_packs_and_none_past_the_range_reads_as_absent(field: Field, value: float):
    record = Record([field])
    read = record.unpack(record.pack({field.name: value}))[field.name]
    if not math.isfinite(value):
        assert read is None
    else:
        assert read is not None
        assert 0 <= read <= (field.absent - 1) * field.scale + 1e-6


def test_a_record_is_as_long_as_its_fields_and_holds_a_node_of_eight_in_the_budget():
    for record in (NODE_RECORD, GPU_RECORD):
        assert record.size == sum(SIZE[field.code] for field in record.fields)
    assert NODE_RECORD.size + 8 * GPU_RECORD.size <= 280


def test_names_are_used_once():
    for fields in (NODE_FIELDS, GPU_FIELDS):
        assert len({field.name for field in fields}) == len(fields)


def test_throttle_reasons_are_named_by_bit():
    assert throttle_reasons(None) is None
    assert throttle_reasons(0) == []
    assert throttle_reasons(0b10000010) == ["power cap", "display clocks"]
    assert throttle_reasons(0xFF) == list(THROTTLE_REASONS)
