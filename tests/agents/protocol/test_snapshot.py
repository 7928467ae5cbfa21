"""One node as JSON: a schema that scripts rely on."""

import json

import msgspec

from llmos.agents.protocol.facts import GpuFacts, NodeFacts
from llmos.agents.protocol.fields import GPU_FIELDS, NODE_FIELDS
from llmos.agents.protocol.snapshot import node_snapshot


def snapshot(figures, gpus, age=0.25):
    facts = NodeFacts(
        slot=0,
        node="abc",
        hostname="host",
        gpus=[GpuFacts(index=0, name="H100", memory_total=81559), GpuFacts(index=1)],
    )
    return json.loads(msgspec.json.encode(node_snapshot(facts, figures, gpus, age)))


def test_every_field_has_a_key_and_what_is_not_known_is_null():
    node = snapshot({}, [], age=None)
    assert {field.name for field in NODE_FIELDS[1:]} <= node.keys()
    assert node["cpu"] is None
    assert node["age"] is None
    assert len(node["gpus"]) == 2
    for gpu in node["gpus"]:
        figures = {field.name: gpu[field.name] for field in GPU_FIELDS[3:]}
        assert set(figures.values()) == {None}
        assert gpu["state"] is None


def test_figures_stand_by_row_whatever_their_order():
    late_first = [{"index": 1, "state": 1}, {"index": 0, "state": 0, "throttle": 3, "power": 0}]
    first, second = snapshot({"cpu": 0}, late_first)["gpus"]
    assert (first["state"], first["power"]) == ("ok", 0)
    assert first["throttle"] == ["application clocks", "power cap"]
    assert (second["state"], second["power"], second["throttle"]) == ("lost", None, None)


def test_what_belongs_to_the_wire_alone_is_left_out():
    node = snapshot({}, [])
    assert node.keys().isdisjoint({"what", "slot"})
    assert node["age"] == 0.25
    assert node["node"] == "abc"
