from pathlib import Path

import pytest

from llmos.agents.samplers import counters

STAT = b"""\
cpu  100 20 30 700 50 5 5 10 40 2
cpu0 60 10 20 300 30 5 5 10 40 2
cpu1 40 10 10 400 20 0 0 0 0 0
intr 257327 0 0
ctxt 1
"""

DISKSTATS = b"""\
   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0
 259       0 nvme0n1 113881 26198 4000 15719 7018 74165 6000 8374 0 8472 24302 0 0 0 0
 259       1 nvme0n1p1 1 0 8 0 0 0 16 0 0 0 0
"""

NET = b"""\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop
    lo:     111       1    0    0    0     0          0         0      111       1    0    0
  eth0:    2000      10    0    0    0     0          0         0     3000      11    0    0
veth12:12345678       1    0    0    0     0          0         0        7       1    0    0
"""


def test_processor_time_leaves_out_waiting_and_counts_guests_once() -> None:
    table = counters.processors(STAT)
    assert table["cpu"] == (170, 920)
    assert table["cpu1"] == (60, 480)
    assert counters.whole_processor(STAT) == {"cpu": (170, 920)}


def test_disks_are_counted_in_bytes() -> None:
    table = counters.disks(DISKSTATS)
    assert table["nvme0n1"] == (4000 * 512, 6000 * 512)
    assert set(table) == {"loop0", "nvme0n1", "nvme0n1p1"}


def test_an_interface_whose_count_touches_its_name_is_read() -> None:
    table = counters.networks(NET)
    assert table["eth0"] == (2000, 3000)
    assert table["veth12"] == (12345678, 7)


@pytest.mark.parametrize("parse", [counters.processors, counters.disks, counters.networks])
def test_nothing_to_read_is_no_counters(parse: object) -> None:
    assert callable(parse)
    assert parse(b"") == {}


def test_differences_are_of_devices_that_were_there_both_times(tmp_path: Path) -> None:
    file = tmp_path / "dev"
    file.write_bytes(NET)
    counted = counters.Counters(str(file), counters.networks)
    counted.read()
    assert counted.differences() == {}
    file.write_bytes(NET.replace(b"2000", b"2500").replace(b"veth12", b"veth13"))
    counted.read()
    assert counted.differences() == {"lo": [0, 0], "eth0": [500, 0]}
    assert counted.seconds > 0
    counted.close()


def test_a_counter_that_went_back_has_not_grown(tmp_path: Path) -> None:
    file = tmp_path / "dev"
    file.write_bytes(NET)
    counted = counters.Counters(str(file), counters.networks)
    counted.read()
    file.write_bytes(NET.replace(b"2000", b"  12"))
    counted.read()
    assert counted.differences()["eth0"] == [0, 0]
    counted.close()


def test_a_file_that_is_not_there_reads_as_empty(tmp_path: Path) -> None:
    file = counters.ProcFile(str(tmp_path / "missing"))
    assert file.read() == b""
    file.close()
