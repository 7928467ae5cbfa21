"""Frames as an agent would send them, for stores to take in."""

from typing import Any

import msgspec

from llmos.agents.protocol.facts import GpuFacts, Hello, NodeFacts
from llmos.agents.protocol.fields import GPU_FIELDS, NODE_FIELDS, Field, Record, Value
from llmos.agents.protocol.frames import Frame, Kind


def packed(kind: Kind, content: object, **header: Any) -> Frame:
    return Frame(kind, msgspec.msgpack.encode(content), **header)


def hello(boot: str = "boot", **changes: Any) -> Frame:
    said = Hello(version="1", node="n0", boot=boot, stream="s", interval=1.0, **changes)
    return packed(Kind.HELLO, said)


def node(slot: int = 0, gpus: int = 0, name: str | None = None, **changes: Any) -> Frame:
    listed = [GpuFacts(index=index) for index in range(gpus)]
    facts = NodeFacts(slot=slot, node=name or f"n{slot}", hostname=f"host{slot}", gpus=listed)
    return packed(Kind.FACTS, msgspec.structs.replace(facts, **changes))


def sample(
    nodes: list[dict[str, Value]],
    gpus: list[dict[str, Value]],
    seq: int = 1,
    wall: float = 1.0,
    node_fields: tuple[Field, ...] = NODE_FIELDS,
    gpu_fields: tuple[Field, ...] = GPU_FIELDS,
) -> Frame:
    payload = len(nodes).to_bytes(2, "little")
    payload += b"".join(map(Record(node_fields).pack, nodes))
    payload += b"".join(map(Record(gpu_fields).pack, gpus))
    return Frame(Kind.SAMPLE, payload, seq=seq, wall=wall)


def gpu(slot: int, index: int, **figures: Value) -> dict[str, Value]:
    return {"slot": slot, "index": index, **figures}
