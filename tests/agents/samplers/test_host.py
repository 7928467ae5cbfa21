"""This host, whatever it is, read twice."""

import os
import platform
import socket
import time
from collections.abc import Iterator

import psutil
import pytest

from llmos.agents.protocol.facts import Detail, NodeFacts
from llmos.agents.protocol.fields import NODE_FIELDS, NODE_RECORD, Value
from llmos.agents.samplers.host import HostSampler
from llmos.agents.samplers.sampler import Reading

PATIENCE = 20.0


@pytest.fixture
def host() -> Iterator[HostSampler]:
    sampler = HostSampler()
    yield sampler
    sampler.close()


def known(value: Value) -> float:
    assert value is not None
    return value


def sampled_twice(host: HostSampler) -> Reading:
    first, second = Reading(), Reading()
    host.sample(first)
    time.sleep(0.2)
    host.sample(second)
    return second


def looked_at(host: HostSampler) -> NodeFacts:
    """The facts once the mounts have been looked at."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        facts = NodeFacts(slot=0, node="n", hostname="")
        host.facts(facts)
        if facts.disks:
            return facts
        time.sleep(0.02)
    pytest.fail("no file system is shown")


def test_the_first_sample_has_rates_since_the_start(host: HostSampler) -> None:
    looked_at(host)
    time.sleep(0.2)
    reading = Reading()
    host.sample(reading)
    assert reading.node["cpu"] is not None


def test_samples_in_quick_succession_keep_the_rates(host: HostSampler) -> None:
    first, second = sampled_twice(host), Reading()
    host.sample(second)
    assert second.node["cpu"] == first.node["cpu"]


def test_a_sample_has_every_field_of_a_node(host: HostSampler) -> None:
    looked_at(host)
    node = sampled_twice(host).node
    assert {"slot", *node} == {field.name for field in NODE_FIELDS}
    assert NODE_RECORD.unpack(NODE_RECORD.pack(node))["memory_used"] == node["memory_used"]
    assert 0 <= known(node["cpu"]) <= 100
    assert known(node["load"]) >= 0
    assert known(node["swap_used"]) >= 0


def test_memory_is_what_psutil_says(host: HostSampler) -> None:
    reading = Reading()
    host.sample(reading)
    memory = psutil.virtual_memory()
    used = (memory.total - memory.available) / 2**20
    assert reading.node["memory_used"] == pytest.approx(used, abs=256)


@pytest.mark.skipif(not os.path.exists("/proc/pressure"), reason="this kernel counts no pressure")
def test_pressure_is_a_percentage(host: HostSampler) -> None:
    reading = Reading()
    host.sample(reading)
    for name in ("pressure_cpu", "pressure_memory", "pressure_io"):
        assert 0 <= known(reading.node[name]) <= 100


def test_facts_say_what_the_host_is(host: HostSampler) -> None:
    facts = looked_at(host)
    assert facts.hostname == socket.gethostname()
    assert facts.kernel == platform.release()
    assert facts.cores == os.cpu_count()
    assert facts.cpu
    assert facts.system
    assert facts.booted == pytest.approx(psutil.boot_time(), abs=2)
    assert facts.memory_total == psutil.virtual_memory().total // 2**20
    assert facts.swap_total == psutil.swap_memory().total // 2**20


def test_disks_are_mounted_and_listed_once(host: HostSampler) -> None:
    disks = looked_at(host).disks
    assert all(os.path.ismount(disk.mount) for disk in disks)
    assert len({disk.device for disk in disks}) == len(disks)
    assert all(0 <= known(disk.used) <= known(disk.total) for disk in disks)


def test_detail_has_each_core_and_interface(host: HostSampler) -> None:
    looked_at(host)
    sampled_twice(host)
    detail = Detail(slot=0)
    host.detail(detail)
    assert len(detail.cores) == len(psutil.cpu_percent(percpu=True))
    assert len(detail.load) == 3
    names = {rate.interface for rate in detail.networks}
    assert "lo" not in names
    assert names <= psutil.net_if_stats().keys()


def test_a_closed_sampler_reads_nothing(host: HostSampler) -> None:
    host.close()
    reading = sampled_twice(host)
    assert reading.node["cpu"] is None
    assert reading.node["memory_used"] is None
    assert reading.node["pressure_io"] is None
