"""Columns that grow, and records that are read by the table their sender gave."""

import numpy as np
import pytest

from llmos.agents.errors import FrameError
from llmos.agents.fleet.columns import Columns, Decoder
from llmos.agents.protocol.fields import GPU_FIELDS, GPU_RECORD, Field

FIELDS = (Field("slot", "H", 1, "", "Slot"), Field("power", "H", 0.1, "W", "Power"))


def test_new_rows_are_absent_and_old_ones_stay():
    columns = Columns(FIELDS)
    columns.grow(2)
    columns.put(np.array([0, 1]), "power", np.array([1, 2], np.float32))
    columns.grow(40)
    assert columns["power"][:2].tolist() == [1, 2]
    assert np.isnan(columns["power"][2:]).all()
    columns.grow(3)
    assert columns.rows == len(columns["power"]) == 40


def test_a_field_that_nobody_has_a_column_for_is_passed_over():
    columns = Columns(FIELDS)
    columns.grow(1)
    columns.put(np.array([0]), "from the future", np.array([1], np.float32))
    assert "from the future" not in columns
    with pytest.raises(KeyError):
        columns["from the future"]


def test_cleared_rows_are_absent_again():
    columns = Columns(FIELDS)
    columns.grow(3)
    columns.put(np.arange(3), "power", np.array([1, 2, 3], np.float32))
    columns.clear(np.array([1]))
    np.testing.assert_array_equal(columns["power"], np.array([1, np.nan, 3], np.float32))


def test_figures_are_scaled_and_absent_ones_are_nan():
    decoder = Decoder(FIELDS, ["slot"])
    records = decoder.records(memoryview(b"\x00\x00\x0a\x00" + b"\x01\x00\xff\xff"))
    power = decoder.values(records, FIELDS[1])
    np.testing.assert_allclose(power, [1.0, np.nan])
    assert decoder.values(decoder.records(memoryview(b"")), FIELDS[1]).size == 0


def test_the_reader_reads_what_the_agent_packs():
    values = {field.name: position for position, field in enumerate(GPU_FIELDS)}
    decoder = Decoder(GPU_FIELDS, ["slot", "index"])
    records = decoder.records(memoryview(GPU_RECORD.pack(values)))
    read = {field.name: float(decoder.values(records, field)[0]) for field in GPU_FIELDS}
    assert read == pytest.approx(values)


@pytest.mark.parametrize(
    "fields",
    [
        (),
        FIELDS[1:],
        (*FIELDS, FIELDS[1]),
        (*FIELDS, Field("x", "Q", 1, "", "")),
        (*FIELDS, Field("x", "", 1, "", "")),
        (*FIELDS, Field("", "B", 1, "", "")),
        (*FIELDS, Field("x", "B", float("nan"), "", "")),
        (*FIELDS, Field("x", "B", float("inf"), "", "")),
    ],
)
def test_a_table_that_describes_no_records_is_refused(fields):
    with pytest.raises(FrameError, match="a table of fields"):
        Decoder(fields, ["slot"])
