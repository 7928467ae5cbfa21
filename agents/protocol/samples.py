"""The payload of a SAMPLE frame: a count of node records, the node records, the GPU records."""

from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Final

from ..errors import FrameError
from .fields import GPU_RECORD, NODE_RECORD, Value

COUNT: Final = Struct("<H")


def pack_sample(nodes: Sequence[Mapping[str, Value]], gpus: Sequence[Mapping[str, Value]]) -> bytes:
    """A payload from values by field name."""
    records = [COUNT.pack(len(nodes))]
    records += [NODE_RECORD.pack(node) for node in nodes]
    records += [GPU_RECORD.pack(gpu) for gpu in gpus]
    return b"".join(records)


def split_sample(
    payload: bytes, node_size: int = NODE_RECORD.size, gpu_size: int = GPU_RECORD.size
) -> tuple[memoryview, memoryview]:
    """The bytes of the node records and of the GPU records, by the sender's record sizes.

    Raises FrameError where the payload does not hold whole records.
    """
    if len(payload) < COUNT.size:
        raise FrameError(f"a sample of {len(payload)} bytes holds no record count")
    (count,) = COUNT.unpack_from(payload)
    view = memoryview(payload)[COUNT.size :]
    split = count * node_size
    if split > len(view) or (len(view) - split) % gpu_size:
        raise FrameError(f"a sample of {len(payload)} bytes does not hold {count} whole nodes")
    return view[:split], view[split:]


def unpack_sample(payload: bytes) -> tuple[list[dict[str, Value]], list[dict[str, Value]]]:
    """The values of a sample that this version of llmos packed: nodes, GPUs.

    For JSON and tests; the store reads the same bytes as columns.
    """
    nodes, gpus = split_sample(payload)
    return (
        [NODE_RECORD.unpack(record) for record in _cut(nodes, NODE_RECORD.size)],
        [GPU_RECORD.unpack(record) for record in _cut(gpus, GPU_RECORD.size)],
    )


def _cut(view: memoryview, size: int) -> list[memoryview]:
    return [view[start : start + size] for start in range(0, len(view), size)]
